"""Label files of ours as COCO, SLEAP or a DeepLabCut project."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lp_core.atomic import atomic_write
from lp_core.errors import LPError
from lp_core.image_source import ImageSource
from lp_core.paths import find_file
from lp_core.poses import Skeleton
from lp_data.datasets.neighbours import neighbour_name
from lp_data.datasets.time_order import OFFSETS
from lp_data.images import image_size
from lp_data.labels import read_labels
from lp_data.pictures import copy_pictures
from lp_data.video.listing import find_videos
from lp_io.errors import ConversionError
from lp_io.projects import LabeledImages
from lp_io.projects.coco import write_coco_labels
from lp_io.projects.deeplabcut_writing import write_deeplabcut_project
from lp_io.projects.folders import Videos, folder_beside, place_video
from lp_io.projects.labels import (
    LABEL_FOLDER,
    folder_name,
    frame_number,
    in_video_folders,
)
from lp_io.projects.report import REPORT_FILE, ConversionReport
from lp_io.projects.sleap import write_sleap_labels
from lp_io.untrusted.content import writing
from lp_pipeline.builders.labels import as_pairs
from lp_pipeline.config.load import load_config
from lp_pipeline.conversion.importing import CONFIG_FILE, LABEL_FILE
from lp_pipeline.errors import ConfigError


def read_own_labels(path: Path) -> LabeledImages:
    """The labels of a project of ours, or of one of its label files.

    Raises:
        ConversionError: The project has several label files, and none is ``CollectedData.csv``.
        PoseError: A label file is malformed.
    """
    file, others = (path, []) if path.is_file() else _label_file(path)
    folder = file.parent
    table = read_labels(file, require_labels=False)
    skeleton, without = _skeleton(folder / CONFIG_FILE, table.skeleton)
    return LabeledImages(
        replace(table, skeleton=skeleton),
        tuple(_source(folder, name) for name in table.image_paths),
        videos=_videos(folder),
        left_out=(*(f"{other.name}: convert it by its own name" for other in others), *without),
    )


def _skeleton(file: Path, skeleton: Skeleton) -> tuple[Skeleton, tuple[str, ...]]:
    """The skeleton with the pairs in the config of a project, and what has to be left out."""
    if not file.is_file():
        return skeleton, ()
    try:
        data = load_config(file).config.data
    except ConfigError as error:
        return skeleton, (f"a skeleton, if {file.name} has one: {error.problem}",)
    known, lost = {}, []
    for key, pairs in (("edges", data.skeleton), ("left_right", data.left_right)):
        known[key] = tuple(pair for pair in as_pairs(pairs) if {*pair} <= {*skeleton.names})
        lost += [
            f"the pair '{first}' and '{second}' of the skeleton: no label is of both"
            for first, second in as_pairs(pairs)
            if (first, second) not in known[key]
        ]
    sides, edges = known["left_right"], known["edges"]
    return replace(skeleton, edges=edges, left_right=sides), tuple(lost)


def _label_file(folder: Path) -> tuple[Path, list[Path]]:
    """The project's label file, and the others that it has."""
    from lp_data.check.labels import find_label_files

    files = find_label_files(folder)
    main = [file for file in files if file.name == LABEL_FILE] or files
    if len(main) != 1:
        listing = ", ".join(file.name for file in files)
        raise ConversionError(
            f"the project has {len(files)} label files: {listing}",
            where=folder,
            remedy="give one of them instead of the folder",
        )
    return main[0], [file for file in files if file != main[0]]


def _source(folder: Path, name: str) -> ImageSource:
    return ImageSource(name, file=find_file(folder, name), frame=frame_number(name))


def _videos(folder: Path) -> tuple[Path, ...]:
    videos = folder / "videos"
    return find_videos(videos).files if videos.is_dir() else ()


def export_coco(labels: LabeledImages, target: Path) -> ConversionReport:
    """Write labels as COCO keypoints; pictures stay where they are.

    Raises:
        ConversionError: The file cannot be written.
    """
    report = _begun(labels, target)
    sizes: dict[str, tuple[int, int]] = {}
    for image in labels.images:
        try:
            if image.file is not None:
                sizes[image.name] = image_size(image.file)
        except LPError as error:
            report.reasons[f"sizes of images: {error.problem}"] += 1
    with writing(target, ConversionError), atomic_write(target) as temporary:
        report.left_out += write_coco_labels(labels, temporary, sizes)
    report.left_out += _lost_sides(labels)
    report.left_out.append(
        f"{len(labels)} pictures: the file names them by their paths in the project"
    )
    return report


def export_sleap(labels: LabeledImages, target: Path) -> ConversionReport:
    """Write labels for SLEAP; ``.pkg.slp`` holds the pictures as well.

    Raises:
        ConversionError: The file cannot be written, or a picture to embed is missing.
        MissingExtraError: sleap-io is not installed.
    """
    report = _begun(labels, target)
    embed = target.name.lower().endswith(".pkg.slp")
    with writing(target, ConversionError), atomic_write(target) as temporary:
        report.left_out += write_sleap_labels(labels, temporary, embed=embed)
    if embed:
        report.kept.append(f"{len(labels)} pictures, in the file")
    else:
        report.left_out.append(f"{len(labels)} pictures: the file names where they are")
    return report


def export_deeplabcut(
    labels: LabeledImages, target: Path, *, videos: Videos = "link", overwrite: bool = False
) -> ConversionReport:
    """Write a DeepLabCut project with its pictures and videos.

    Raises:
        ConversionError: ``target`` is there already.
        ConversionError: The labels cannot be kept in DeepLabCut's layout.
        MissingExtraError: h5py is not installed.
    """
    if not any(image.file for image in labels.images):
        raise ConversionError(
            f"not a single picture of the {len(labels)} labelled images is there",
            where=labels.images[0].name,
            remedy="put the pictures where the label file names them, relative to its folder",
        )
    report = _begun(labels, target)
    report.left_out += _lost_sides(labels)
    labels = _in_video_folders(labels, report)
    with folder_beside(target, overwrite=overwrite, mark=REPORT_FILE, used=labels.files) as folder:
        placed = [] if videos == "none" else [
            place_video(video, folder / "videos", videos) for video in labels.videos
        ]  # fmt: skip
        (folder / "videos").mkdir(exist_ok=True)
        final = [target.absolute() / "videos" / video.name for video in placed]
        with writing(target, ConversionError):
            report.left_out += write_deeplabcut_project(
                labels, folder, task=target.name, final=target, videos=final
            )
        missing = copy_pictures(labels.images, folder)
        if missing:
            report.left_out.append(f"{missing} pictures: their files are missing")
        around = _neighbours(labels)
        if around:
            report.left_out.append(f"{around} neighbouring frames: DeepLabCut looks at none")
        report.kept.append(f"{len(labels) - missing} pictures and {len(placed)} videos")
        report.write(folder / REPORT_FILE)
    return report


def _lost_sides(labels: LabeledImages) -> list[str]:
    """A note of the left-right pairs, for formats that have no place for them."""
    pairs = len(labels.table.skeleton.left_right)
    return [f"{pairs} left-right pairs: the format has no place for them"] if pairs else []


def _in_video_folders(labels: LabeledImages, report: ConversionReport) -> LabeledImages:
    """The labels with their pictures where DeepLabCut needs them, and their scorer's name too."""
    images = in_video_folders(labels.images)
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


def _neighbours(labels: LabeledImages) -> int:
    """How many image files are neighbours of a labelled one, and not labelled themselves."""
    labelled = {image.file for image in labels.images}
    found = {
        image.file.with_name(Path(name).name)
        for image in labels.images
        if image.file is not None
        for offset in OFFSETS
        if (name := neighbour_name(image.name, offset)) is not None
    }
    return sum(file.is_file() for file in found - labelled)


def _begun(labels: LabeledImages, target: Path) -> ConversionReport:
    report = ConversionReport(target, left_out=list(labels.left_out))
    labelled = int((labels.table.codes > 0).sum())
    report.kept.append(
        f"{len(labels)} images with {labelled} labels of {labels.table.num_keypoints} keypoints"
    )
    return report
