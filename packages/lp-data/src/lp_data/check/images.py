"""Check that labelled images are there, can be decoded, and are not the same picture."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from lp_core.poses import PoseTable
from lp_data.check.report import Problem
from lp_data.errors import ImageFileError
from lp_data.images import image_file, missing_image_remedy, read_image


class _Seen(NamedTuple):
    """What reading one image gave: its size and a digest of its pixels, or an error."""

    size: tuple[int, int] | None
    digest: bytes
    error: ImageFileError | None = None


def check_images(
    table: PoseTable, data_dir: Path
) -> tuple[list[tuple[int, int] | None], list[Problem]]:
    """Decode every image of ``table``, whose paths are relative to ``data_dir``.

    Returns:
        For each row (height, width) in frame px, or None where the image cannot be read; and what
        is wrong.
    """
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        seen = list(pool.map(_look, [image_file(data_dir, path) for path in table.image_paths]))
    problems = [
        Problem(
            "error",
            each.error.problem,
            f"{each.error.where} (needed by {table.place(row)})",
            each.error.remedy or missing_image_remedy(data_dir, table.image_paths[row]),
        )
        for row, each in enumerate(seen)
        if each.error is not None
    ]
    return [each.size for each in seen], problems + _same_pictures(table, seen)


def _look(path: Path) -> _Seen:
    try:
        image = read_image(path)
    except ImageFileError as error:
        return _Seen(None, b"", error)
    digest = hashlib.blake2b(image.tobytes(), digest_size=16).digest()
    return _Seen((image.shape[0], image.shape[1]), digest)


def _same_pictures(table: PoseTable, seen: Sequence[_Seen]) -> list[Problem]:
    """Rows whose images have the same pixels: one of them may train and the other test."""
    first: dict[tuple[object, bytes], int] = {}
    problems = []
    for row, each in enumerate(seen):
        earlier = first.setdefault((each.size, each.digest), row)
        if earlier != row and each.error is None:
            problem = f"'{table.image_paths[row]}' and '{table.image_paths[earlier]}' are the same"
            where = f"{table.place(earlier)}; {table.place(row)}"
            remedy = "keep one of the rows, or a test frame may also be a training frame"
            problems.append(Problem("warning", f"{problem} picture", where, remedy))
    return problems
