"""Labels of ours as SLEAP, COCO or a DeepLabCut project."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from lp_core.atomic import atomic_write
from lp_core.errors import LPError
from lp_core.image_source import ImageSource
from lp_io.errors import ConversionError
from lp_io.projects import LabeledImages
from lp_io.projects.deeplabcut_writing import write_deeplabcut_project
from lp_io.projects.folders import VIDEO_FOLDER, Videos, folder_beside, placed_videos
from lp_io.projects.labels import LABEL_FOLDER, distinct_names, folder_name, last_part
from lp_io.projects.report import REPORT_FILE, ConversionReport, begun_report
from lp_io.projects.sleap import write_sleap_labels
from lp_io.tables.coco import write_coco
from lp_io.untrusted.content import writing


def _lost_sides(labels: LabeledImages) -> list[str]:
    """A note of the left-right pairs, for formats that have no place for them."""
    pairs = len(labels.table.skeleton.left_right)
    return [f"{pairs} left-right pairs: the format has no place for them"] if pairs else []


def export_sleap(labels: LabeledImages, target: Path) -> ConversionReport:
    """Write labels for SLEAP; ``.pkg.slp`` holds the pictures as well.

    Raises:
        ConversionError: The file cannot be written, or a picture to embed is missing.
        MissingExtraError: sleap-io is not installed.
    """
    report = begun_report(labels, target)
    embed = target.name.lower().endswith(".pkg.slp")
    with writing(target, ConversionError), atomic_write(target) as temporary:
        report.left_out += write_sleap_labels(labels, temporary, embed=embed)
    if embed:
        report.kept.append(f"{len(labels)} pictures, in the file")
    else:
        report.left_out.append(f"{len(labels)} pictures: the file names where they are")
    return report


def with_video_folders(labels: LabeledImages, report: ConversionReport) -> LabeledImages:
    """The labels with their pictures where DeepLabCut needs them, and their scorer's name too."""
    images = _in_video_folders(labels.images)
    moved = sum(new.name != old.name for new, old in zip(images, labels.images, strict=True))
    if moved:
        report.left_out.append(
            f"the folders of {moved} pictures: DeepLabCut needs {LABEL_FOLDER}/VIDEO, and they are "
            f"in {Path(images[0].name).parent} and the like"
        )
    scorer = folder_name(labels.table.scorer)
    if scorer != labels.table.scorer:
        report.left_out.append(
            f"the scorer '{labels.table.scorer}': DeepLabCut names files by it, and has '{scorer}'"
        )
    new_names = {old.name: new.name for old, new in zip(labels.images, images, strict=True)}
    frame = tuple(new_names[name] for name in labels.table.image_paths)
    return replace(labels, table=replace(labels.table, frame=frame, scorer=scorer), images=images)


def _in_video_folders(images: Sequence[ImageSource]) -> tuple[ImageSource, ...]:
    """The pictures with names as DeepLabCut needs them: ``labeled-data/VIDEO/FILE``.

    Folders within folders become one, whose name joins theirs.
    """
    folders = [image.name.rpartition("/")[0] for image in images]
    inner = [f"{folder}/".removeprefix(f"{LABEL_FOLDER}/").rstrip("/") for folder in folders]
    different = list(dict.fromkeys(inner))
    flat = [folder_name(folder.replace("/", "_") or "images") for folder in different]
    names = dict(zip(different, distinct_names(flat), strict=True))
    return tuple(
        replace(image, name=f"{LABEL_FOLDER}/{names[folder]}/{last_part(image.name)}")
        for image, folder in zip(images, inner, strict=True)
    )


def export_coco(
    labels: LabeledImages, target: Path, size_of: Callable[[Path], tuple[int, int]]
) -> ConversionReport:
    """Write labels as COCO keypoints; pictures stay where they are.

    ``size_of`` gives (height, width) in frame px of an image file.

    Raises:
        ConversionError: The file cannot be written.
    """
    report = begun_report(labels, target)
    sizes: dict[str, tuple[int, int]] = {}
    for image in labels.images:
        try:
            if image.file is not None:
                sizes[image.name] = size_of(image.file)
        except LPError as error:
            report.reasons[f"sizes of images: {error.problem}"] += 1
    with writing(target, ConversionError), atomic_write(target) as temporary:
        report.left_out += write_coco(labels.table, temporary, sizes)
    report.left_out += _lost_sides(labels)
    report.left_out.append(
        f"{len(labels)} pictures: the file names them by their paths in the project"
    )
    return report


def export_deeplabcut(
    labels: LabeledImages,
    target: Path,
    *,
    videos: Videos = "link",
    neighbours: int = 0,
    overwrite: bool = False,
) -> ConversionReport:
    """Write a DeepLabCut project with its pictures and videos.

    ``neighbours`` is how many frames before and after labelled ones there are.

    Raises:
        ConversionError: ``target`` is there already, or the labels cannot be kept in DeepLabCut's
            layout.
        MissingExtraError: h5py is not installed.
    """
    if not any(image.file for image in labels.images):
        raise ConversionError(
            f"not a single picture of the {len(labels)} labelled images is there",
            where=labels.images[0].name,
            remedy="put the pictures where the label file names them, relative to its folder",
        )
    report = begun_report(labels, target)
    report.left_out += _lost_sides(labels)
    labels = with_video_folders(labels, report)
    with folder_beside(target, overwrite=overwrite, mark=REPORT_FILE, used=labels.files) as folder:
        placed = placed_videos(labels.videos, folder, videos)
        (folder / VIDEO_FOLDER).mkdir(exist_ok=True)
        final = [target.absolute() / VIDEO_FOLDER / video.name for video in placed]
        with writing(target, ConversionError):
            report.left_out += write_deeplabcut_project(
                labels, folder, task=target.name, final=target, videos=final
            )
        if missing := _copy_pictures(labels.images, folder):
            report.left_out.append(f"{missing} pictures: their files are missing")
        if neighbours:
            report.left_out.append(f"{neighbours} neighbouring frames: DeepLabCut looks at none")
        report.kept.append(f"{len(labels) - missing} pictures and {len(placed)} videos")
        report.write(folder / REPORT_FILE)
    return report


def _copy_pictures(images: Iterable[ImageSource], folder: Path) -> int:
    """Copy the image files into a folder; tells how many have none."""
    missing = 0
    for image in images:
        if image.file is None:
            missing += 1
            continue
        (folder / image.name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(image.file, folder / image.name)
    return missing
