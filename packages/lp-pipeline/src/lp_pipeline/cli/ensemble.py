"""``litpose ensemble``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from lp_core.paths import check_output_folder
from lp_pipeline.cli.session import start_session
from lp_pipeline.display import terminal_display


@dataclass(frozen=True)
class MakeEnsemble:
    """Make an ensemble of trained models, which then predict together.

    `litpose train --seeds 5` trains one. The models stay where they are.
    """

    model_dirs: Annotated[
        list[Path] | None, typer.Argument(metavar="MODEL_DIR...", help="At least one.")
    ] = None
    output_dir: Annotated[
        Path, typer.Option("--output-dir", "-o", help="The directory of the ensemble to make.")
    ] = Path("ensemble")

    def run(self) -> None:
        """Make the directory, and evaluate the ensemble on the labels.

        Raises:
            LPError: The models do not go together, or the folder is not new or empty.
        """
        start_session()
        check_output_folder(self.output_dir)
        from lp_pipeline.evaluation.ensembles import make_ensemble

        make_ensemble(self.output_dir, self.model_dirs or [], terminal_display())
