"""Put a report into its page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from lp_analysis.errors import EvaluationError
from lp_analysis.figures.plots import PIXELS
from lp_analysis.metrics.metric_files import MetricTable
from lp_analysis.metrics.outliers import Outlier, worst_frames
from lp_analysis.metrics.summary import ALL_KEYPOINTS, ErrorStatistics, PixelErrorSummary
from lp_analysis.prediction.space_errors import SpaceErrors
from lp_analysis.report.animal_tables import error_rows, video_part
from lp_analysis.report.figures import (
    embedded,
    error_figures,
    reliability_figures,
    trace_figures,
    training_figures,
)
from lp_analysis.report.parts import (
    CaptionedPicture,
    ReportedConfidence,
    ReportedVideo,
    TrainingReport,
)
from lp_analysis.report.space import bone_rows, left_out_rows, view_rows
from lp_core.atomic import atomic_text
from lp_core.errors import unwritable_as
from lp_core.text import printable

_TEMPLATE = "report.html.j2"
_OUTLIERS = 6
_HELD_OUT = ("test", "validation")


def write_report(report: TrainingReport, path: Path) -> None:
    """Write a report as one HTML file, which appears whole or not at all.

    It opens offline, refers to nothing outside itself, holds no script, follows the reader's choice
    of light or dark, and shows every name as it is, whatever characters it has.

    Raises:
        EvaluationError: The file cannot be written.
    """
    page = render_page(report)
    with unwritable_as(EvaluationError, "the report", path), atomic_text(path) as file:
        file.write(page)


def render_page(report: TrainingReport) -> str:
    """The HTML of a report."""
    rows = "frames" if report.animal_errors is None else "animals"
    environment = Environment(
        autoescape=True,
        finalize=_printable,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    source = resources.files(__package__).joinpath(_TEMPLATE).read_text(encoding="utf-8")
    return environment.from_string(source).render(
        report=report,
        errors=None if report.errors is None else _error_section(report.errors, rows),
        rows=rows,
        training=None if report.curves is None else training_figures(report.curves),
        worst_frames=_embedded(report.worst_frames),
        space=None if report.space is None else _space_section(report.space),
        reliability=None if report.confidence is None else _reliability(report.confidence),
        videos=[_video_section(video) for video in report.videos],
        contact=[] if report.animal_errors is None else error_rows(report.animal_errors),
        animals=[
            {**video_part(video), "pictures": _embedded(video.pictures)} for video in report.animals
        ],
        timings=[(name, _time(time)) for name, time in report.timings.items()],
    )


def _error_section(errors: MetricTable, rows_are: str, unit: str = PIXELS) -> dict[str, Any]:
    """What the page tells of errors.

    Statistics of each keypoint and split as text, short statements of the most important numbers
    (value and meaning), and figures.
    """
    summary = PixelErrorSummary.from_errors(errors.values, errors.keypoint_names, errors.sets or ())
    rows = [
        (name, [text for split in summary.splits for text in _texts(summary, split, number)])
        for number, name in enumerate(summary.keypoint_names)
    ]
    overall = [text for split in summary.splits for text in _statistics(summary.overall[split])]
    return {
        "splits": list(summary.frames.items()),
        "rows": [*rows, (ALL_KEYPOINTS, overall)],
        "headline": _headline(summary, rows_are, unit),
        "figures": error_figures(errors, unit),
    }


def _space_section(space: SpaceErrors) -> dict[str, Any]:
    """What the page tells of errors in space: those per keypoint, of each view, and of bones."""
    unit = space.unit or "world units"
    return {
        **_error_section(space.table, "frames", unit),
        "unit": unit,
        "views": view_rows(space),
        "left_out": left_out_rows(space),
        "bones": bone_rows(space),
    }


def _reliability(confidence: ReportedConfidence) -> dict[str, Any]:
    """The figures, and for each keypoint its radius and the promised and observed shares."""
    places = list(dict.fromkeys(promise.where for promise in confidence.promises))
    rows: dict[str, list[tuple[str, bool]]] = {}
    for promise in confidence.promises:
        whole = promise.keypoint == ALL_KEYPOINTS
        radius = ("" if whole else f"{promise.radius:.3g} px", False)
        row = rows.setdefault(promise.keypoint, [radius])
        shares = (_share(promise.promised), _share(promise.observed))
        row += [(text, promise.fails) for text in shares] + [(str(promise.points), False)]
    return {
        "figures": reliability_figures(confidence),
        "places": places,
        "rows": rows,
        "own_radii": len({promise.radius for promise in confidence.promises[:-1]}) > 1,
    }


def _share(value: float) -> str:
    return "–" if math.isnan(value) else f"{100 * value:.0f} %"


def _texts(summary: PixelErrorSummary, split: str, keypoint: int) -> list[str]:
    return _statistics(summary.per_keypoint[split][keypoint])


def _statistics(statistics: ErrorStatistics) -> list[str]:
    numbers = (statistics.mean, statistics.median, statistics.percentile_90)
    return [_number(value) for value in numbers]


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2f}"


def _headline(summary: PixelErrorSummary, rows_are: str, unit: str) -> list[tuple[str, str]]:
    """The numbers to read first: those of frames that were not trained on, where there are any."""
    split = next((split for split in _HELD_OUT if split in summary.splits), None)
    split = split or next(iter(summary.splits), None)
    if split is None:
        return []
    statistics = summary.overall[split]
    return [
        (f"{_number(statistics.median)} {unit}", f"median error, {split} frames"),
        (f"{_number(statistics.mean)} {unit}", f"mean error, {split} frames"),
        (f"{_number(statistics.percentile_90)} {unit}", f"90 % of {split} keypoints are nearer"),
        (str(sum(summary.frames.values())), f"labelled {rows_are}"),
    ]


def _video_section(video: ReportedVideo) -> dict[str, Any]:
    """The course and the outliers of each metric of a video."""
    apart = max(1, round(video.fps / 2))
    sections = []
    for name, values in video.metrics.items():
        outliers = worst_frames(values, _OUTLIERS, apart=apart)
        rows = [_outlier_row(outlier, video) for outlier in outliers]
        figures = trace_figures(name, values, video.fps, outliers)
        sections.append({"name": name, "figures": figures, "rows": rows})
    return {
        "name": video.name,
        "frames": max((len(values) for values in video.metrics.values()), default=0),
        "metrics": sections,
        "pictures": _embedded(video.pictures),
    }


def _outlier_row(outlier: Outlier, video: ReportedVideo) -> tuple[str, ...]:
    time = f"{float(outlier.frame / video.fps):.2f} s"
    keypoint = video.keypoint_names[outlier.keypoint]
    return str(outlier.frame), time, keypoint, f"{outlier.value:.1f} px"


def _embedded(pictures: Sequence[CaptionedPicture]) -> list[dict[str, str]]:
    return [{"address": embedded(item.picture), "caption": item.caption} for item in pictures]


def _time(time: float | str) -> str:
    return time if isinstance(time, str) else duration(time)


def duration(seconds: float) -> str:
    """A duration as people say it: ``1 h 2 min``, ``3 min 4 s`` or ``5.6 s``."""
    if not math.isfinite(seconds) or seconds < 0:
        return "–"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _printable(value: Any) -> Any:
    """Text without characters that no page may hold; anything else as it is, markup included."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return printable(value, keep="\n\t")
