"""What a conversion kept, what it left out, and why; and what exports of labels have in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from lp_core.atomic import atomic_write
from lp_core.image_source import ImageSource
from lp_core.poses import PoseTable
from lp_io.animals import is_empty_row
from lp_io.errors import ConversionError
from lp_io.projects import LabeledImages
from lp_io.projects.labels import LABEL_FOLDER, distinct_names, folder_name, last_part
from lp_io.projects.sleap import write_sleap_labels
from lp_io.untrusted.content import writing

REPORT_FILE = "conversion.txt"
_MOST_NAMES = 12


@dataclass
class ConversionReport:
    """Filled while a conversion runs.

    Attributes:
        written: What was made.
        kept: What it holds, in words.
        left_out: What it does not hold and why, in words.
        reasons: The same for single images: how many for each reason.
        config: The config to train with, where one was made.
    """

    written: Path
    kept: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    config: Path | None = None

    def lines(self) -> list[str]:
        """The report, line by line."""
        every = [*self.left_out, *(f"{count} {why}" for why, count in self.reasons.items())]
        return [
            *(f"kept: {text}" for text in self.kept),
            *(f"left out: {text}" for text in every),
            *(["nothing was left out"] if not every else []),
        ]

    def write(self, path: Path) -> None:
        """Write the report to a file, which also marks its folder as that of a conversion."""
        path.write_text("\n".join(self.lines()) + "\n", encoding="utf-8")


def kept_labels(table: PoseTable) -> str:
    """What labels are: how many images, animals and positions."""
    images, positions = len(set(table.frame)), int(table.has_position.sum())
    labelled = int((table.codes > 0).any(axis=1).sum())
    who = "" if table.individual is None else f" of {labelled} animals{_names_of(table)}"
    what = f"{positions} positions of {table.num_keypoints} keypoints"
    return f"{images} labelled images{who} with {what}"


def kept_rows(table: PoseTable) -> str:
    """What predictions are: how many rows of how many animals."""
    rows = sum(not is_empty_row(table, row) for row in range(len(table)))
    return f"{rows} rows{_names_of(table)} of {table.num_keypoints} keypoints"


def _names_of(table: PoseTable) -> str:
    """Words for the names that animals have, and for those that have none."""
    if table.individual is None:
        return ""
    names = list(dict.fromkeys(filter(None, table.individual)))
    loose = sum(
        name is None and not is_empty_row(table, row) for row, name in enumerate(table.individual)
    )
    shown = [
        *names[:_MOST_NAMES],
        *([f"{len(names) - _MOST_NAMES} more"] * (len(names) > _MOST_NAMES)),
    ]
    shown += [f"{loose} without a track"] * bool(loose)
    return f" ({', '.join(shown)})" if shown else ""


def begun_report(labels: LabeledImages, target: Path) -> ConversionReport:
    """A report with what the labels are, and what was left out when they were read."""
    report = ConversionReport(target, left_out=list(labels.left_out))
    report.kept.append(kept_labels(labels.table))
    return report


def lost_sides(labels: LabeledImages) -> list[str]:
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
