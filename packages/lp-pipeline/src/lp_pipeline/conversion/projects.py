"""Projects of ours: made of the labels of another tool, or read to be exported."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lp_core.image_source import ImageSource
from lp_core.paths import find_file
from lp_core.poses import Skeleton, write_pose_csv
from lp_data.check.labels import find_label_files
from lp_data.datasets.neighbours import prove_neighbours
from lp_data.labels import read_labels, unique_note
from lp_data.pictures import PictureWriter
from lp_data.video.listing import find_videos
from lp_io.animals import chosen_animal
from lp_io.errors import ConversionError
from lp_io.model_directory import CONFIG_FILE
from lp_io.projects import LabeledImages
from lp_io.projects.folders import VIDEO_FOLDER, Videos, folder_beside, placed_videos
from lp_io.projects.labels import frame_number
from lp_io.projects.own import LABEL_FILE, project_config, tell_imported
from lp_io.projects.report import REPORT_FILE, ConversionReport
from lp_io.untrusted.content import reading
from lp_pipeline.builders.labels import as_pairs
from lp_pipeline.config.load import load_config
from lp_pipeline.errors import ConfigError


def import_project(
    labels: LabeledImages, target: Path, *, videos: Videos = "link", overwrite: bool = False
) -> ConversionReport:
    """Make a project: label file, pictures with their neighbours, videos, and a config.

    The folder appears whole or not at all. What was kept and left out is also told in it, in
    ``conversion.txt``.

    Raises:
        ConversionError: ``target`` is there already, no picture can be had, or the disk fails.
    """
    report = ConversionReport(target, left_out=list(labels.left_out))
    with folder_beside(target, overwrite=overwrite, mark=REPORT_FILE, used=labels.files) as folder:
        pictures = PictureWriter(folder, report.left_out, report.reasons)
        there = {labels.images[place].name for place in pictures.write(labels.images)}
        if not there:
            why = "; ".join(f"{count} {reason}" for reason, count in report.reasons.items())
            raise ConversionError(
                f"not a single picture can be had: {why or 'no image is labelled'}",
                where=target,
                remedy="put the images or videos where the labels name them",
            )
        every = labels.table
        table = every.rows([row for row, frame in enumerate(every.frame) if frame in there])
        write_pose_csv(table, folder / LABEL_FILE)
        placed = placed_videos(labels.videos, folder, videos)
        video_of = {image.name.rpartition("/")[0]: image.video for image in labels.images}
        proofs = prove_neighbours([*dict.fromkeys(table.image_paths)], folder, video_of.get)
        tell_imported(report, labels, table, len(placed), videos)
        report.kept.append(
            f"{pictures.neighbours} neighbouring frames; {proofs.num_proved} images have all of "
            "theirs"
        )
        if proofs.unproved:
            problem = proofs.unproved_text()
            report.left_out.append(f"the advice to train with context: {problem}")
        context = proofs.num_proved > len(there) / 2
        text = project_config(target, table, with_videos=bool(placed), context=context)
        (folder / CONFIG_FILE).write_text(text, encoding="utf-8")
        report.config = target / CONFIG_FILE
        report.write(folder / REPORT_FILE)
    return report


def read_own_labels(path: Path, individual: str | None = None) -> LabeledImages:
    """The labels of a project of ours, or of one of its label files; of all animals or of one.

    Raises:
        ConversionError: The project has several label files, and none is ``CollectedData.csv``; or
            no animal has that name.
        PoseError: A label file is malformed.
    """
    file, others = (path, []) if path.is_file() else _label_file(path)
    folder, videos = file.parent, file.parent / VIDEO_FOLDER
    table = read_labels(file, require_labels=False, name_all=False)
    with reading(file, ConversionError, "a label file"):
        table, others_left = chosen_animal(table, individual)
    skeleton, without = _skeleton(folder / CONFIG_FILE, table.skeleton)
    return LabeledImages(
        replace(table, skeleton=skeleton),
        tuple(
            ImageSource(name, file=find_file(folder, name), frame=frame_number(name))
            for name in dict.fromkeys(table.image_paths)
        ),
        videos=find_videos(videos).files if videos.is_dir() else (),
        left_out=(
            *(f"{other.name}: convert it by its own name" for other in others),
            *filter(None, [unique_note(file)]),
            *others_left,
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
