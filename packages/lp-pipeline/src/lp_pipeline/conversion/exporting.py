"""Label files of ours as COCO, SLEAP or a DeepLabCut project."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lp_core.atomic import atomic_write
from lp_core.errors import LPError
from lp_core.image_source import ImageSource
from lp_core.paths import find_file
from lp_core.poses import Skeleton
from lp_data.images import image_size
from lp_data.labels import read_labels, unique_note
from lp_data.pictures import copy_pictures, count_neighbours
from lp_data.video.listing import find_videos
from lp_io.errors import ConversionError
from lp_io.projects import LabeledImages
from lp_io.projects.deeplabcut_writing import write_deeplabcut_project
from lp_io.projects.folders import Videos, folder_beside
from lp_io.projects.labels import frame_number
from lp_io.projects.report import (
    REPORT_FILE,
    ConversionReport,
    begun_report,
    lost_sides,
    with_video_folders,
)
from lp_io.tables.coco import write_coco
from lp_io.untrusted.content import writing
from lp_pipeline.builders.labels import as_pairs
from lp_pipeline.config.load import load_config
from lp_pipeline.conversion.importing import CONFIG_FILE, LABEL_FILE, placed_videos
from lp_pipeline.errors import ConfigError


def read_own_labels(path: Path) -> LabeledImages:
    """The labels of a project of ours, or of one of its label files.

    Raises:
        ConversionError: The project has several label files, and none is ``CollectedData.csv``.
        PoseError: A label file is malformed.
    """
    file, others = (path, []) if path.is_file() else _label_file(path)
    folder = file.parent
    table = read_labels(file, require_labels=False, name_all=False)
    skeleton, without = _skeleton(folder / CONFIG_FILE, table.skeleton)
    return LabeledImages(
        replace(table, skeleton=skeleton),
        tuple(_source(folder, name) for name in dict.fromkeys(table.image_paths)),
        videos=_videos(folder),
        left_out=(
            *(f"{other.name}: convert it by its own name" for other in others),
            *filter(None, [unique_note(file)]),
            *without,
        ),
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
    report = begun_report(labels, target)
    sizes: dict[str, tuple[int, int]] = {}
    for image in labels.images:
        try:
            if image.file is not None:
                sizes[image.name] = image_size(image.file)
        except LPError as error:
            report.reasons[f"sizes of images: {error.problem}"] += 1
    with writing(target, ConversionError), atomic_write(target) as temporary:
        report.left_out += write_coco(labels.table, temporary, sizes)
    report.left_out += lost_sides(labels)
    report.left_out.append(
        f"{len(labels)} pictures: the file names them by their paths in the project"
    )
    return report


def export_deeplabcut(
    labels: LabeledImages, target: Path, *, videos: Videos = "link", overwrite: bool = False
) -> ConversionReport:
    """Write a DeepLabCut project with its pictures and videos.

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
    report.left_out += lost_sides(labels)
    labels = with_video_folders(labels, report)
    with folder_beside(target, overwrite=overwrite, mark=REPORT_FILE, used=labels.files) as folder:
        placed = placed_videos(labels, folder, videos)
        (folder / "videos").mkdir(exist_ok=True)
        final = [target.absolute() / "videos" / video.name for video in placed]
        with writing(target, ConversionError):
            report.left_out += write_deeplabcut_project(
                labels, folder, task=target.name, final=target, videos=final
            )
        if missing := copy_pictures(labels.images, folder):
            report.left_out.append(f"{missing} pictures: their files are missing")
        if around := count_neighbours(labels.images):
            report.left_out.append(f"{around} neighbouring frames: DeepLabCut looks at none")
        report.kept.append(f"{len(labels) - missing} pictures and {len(placed)} videos")
        report.write(folder / REPORT_FILE)
    return report
