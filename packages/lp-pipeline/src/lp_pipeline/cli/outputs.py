"""Places that the command line names for what is written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lp_pipeline.errors import PipelineError


def check_output_file(path: Path, endings: Sequence[str]) -> None:
    """Refuse a file whose name does not end as the files that are written there do.

    Args:
        path: The file to write.
        endings: The endings that can be written, such as ``.png``; either case will do.

    Raises:
        PipelineError: The name ends otherwise, or there is a folder of that name.
    """
    if path.suffix.lower() not in endings:
        ending = f"a file that ends in '{path.suffix}'" if path.suffix else "a file without ending"
        raise PipelineError(
            f"{ending} cannot be written here",
            where=path,
            remedy=f"give a name that ends in {' or '.join(endings)}",
        )
    if path.is_dir():
        raise PipelineError("this is a folder", where=path, remedy="give the name of a file in it")


def check_output_folder(path: Path) -> None:
    """Refuse a folder whose name a file has.

    Raises:
        PipelineError: It has.
    """
    if path.exists() and not path.is_dir():
        raise PipelineError(
            "this is a file, but results go into a folder",
            where=path,
            remedy="give the name of a folder, which need not exist yet",
        )
