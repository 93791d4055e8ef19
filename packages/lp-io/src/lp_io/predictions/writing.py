"""Write a prediction table as CSV."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lp_core.atomic import written_beside
from lp_core.errors import unwritable
from lp_io.errors import PredictionFileError
from lp_io.predictions.layout import body_lines, header_lines, quoted
from lp_io.predictions.table import PredictionTable


def write_predictions_csv(table: PredictionTable, path: str | Path) -> None:
    """Write predictions in the layout of DeepLabCut and Lightning Pose.

    Numbers keep their full precision. The file appears whole or not at all.

    Args:
        table: The predictions; their ``sets`` become a last column.
        path: The file; an existing one is replaced.

    Raises:
        PredictionFileError: The file cannot be written.
    """
    path = Path(path)
    header = header_lines(table.keypoint_names, table.scorer, with_sets=table.sets is not None)
    try:
        with written_beside(path) as beside, beside.open("w", encoding="utf-8", newline="") as file:
            file.write(header)
            file.writelines(f"{line}\n" for line in _lines(table))
    except OSError as error:
        raise unwritable(PredictionFileError, "the predictions", path, error) from error


def _lines(table: PredictionTable) -> Iterator[str]:
    index = (quoted(str(item)) for item in table.index)
    lines = body_lines(index, table.keypoints, table.confidences)
    if table.sets is None:
        return lines
    return (f"{line},{quoted(name)}" for line, name in zip(lines, table.sets, strict=True))
