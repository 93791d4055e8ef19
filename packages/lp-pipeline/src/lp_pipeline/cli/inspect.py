"""``litpose check``, ``inspect`` and ``config``: look, and change nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from lp_io.errors import ConversionError
from lp_pipeline.cli.options import ConfigFile, ModelDir, Overrides
from lp_pipeline.printing import say

LABEL_FILES = "CollectedData"
"""What the names of a project's label files begin with."""


@dataclass(frozen=True)
class Check:
    """List everything that is wrong with a project, and what it holds."""

    project: Annotated[Path, typer.Argument(help="A project's folder.")]
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="List every problem, however many are alike.")
    ] = False

    def run(self) -> None:
        """Print the problems of a project, and a summary; exit with 2 if one stops training."""
        from lp_data.check import check_project
        from lp_data.check.report import Problem, report_text
        from lp_io.calibration import rig_errors
        from lp_io.projects.detection import conversion_hint

        project = self.project
        hint = conversion_hint(project)
        own = project.is_dir() and any(project.glob(f"{LABEL_FILES}*.csv"))
        if hint is not None and not own:
            raise ConversionError("there are no labels of lp", where=project, remedy=hint)
        report = check_project(project)
        if report.views is not None:
            views = report.views
            errors = rig_errors(views.calibrations.values(), views.names, views.images)
            report = replace(report, problems=(*report.problems, *map(Problem.of, errors)))
        say(report_text(report, verbose=self.verbose))
        if report.errors:
            raise typer.Exit(2)


@dataclass(frozen=True)
class Inspect:
    """Tell what a model directory holds: keypoints, views, cameras, errors."""

    model_dir: ModelDir

    def run(self) -> None:
        """Print what its manifest says."""
        from lp_analysis.prediction.model_facts import told_model
        from lp_io.checkpoint import read_ensemble, read_manifest

        manifest, ensemble = read_manifest(self.model_dir), read_ensemble(self.model_dir)
        if ensemble is not None:
            say(f"ensemble of {len(ensemble.members)}: {', '.join(ensemble.members)}")
        for line in told_model(manifest):
            say(line)


@dataclass(frozen=True)
class ShowConfig:
    """Print the resolved config, with the origin of each value."""

    config: ConfigFile
    overrides: Overrides = None

    def run(self) -> None:
        """Print it."""
        from lp_pipeline.config.load import load_config, show_config

        say(show_config(load_config(self.config, self.overrides or ())))


@dataclass(frozen=True)
class CheckConfig:
    """Check a config without training."""

    config: ConfigFile
    overrides: Overrides = None

    def run(self) -> None:
        """Check a config with its paths, and build what it describes, without training.

        Pretrained weights are not fetched for it.
        """
        from lp_pipeline.cli.session import load_for_training

        loaded = load_for_training(self.config, self.overrides or ())
        for note in loaded.notes:
            say(f"note: {note}")
        from lp_pipeline.display import terminal_display
        from lp_pipeline.training.beforehand import check_beforehand
        from lp_pipeline.training.setup import set_up

        bare = loaded.config.model.model_copy(
            update={"backbone_pretrained": False, "backbone_checkpoint": None}
        )
        setup = set_up(loaded.config.model_copy(update={"model": bare}))
        for note in setup.notes:
            say(note)
        check_beforehand(loaded, setup, terminal_display())
        say(f"{self.config} can be used")


@dataclass(frozen=True)
class ShowSchema:
    """Print the JSON schema of configs, for editors."""

    def run(self) -> None:
        """Print it."""
        from lp_pipeline.config.json_schema import schema_json

        say(json.dumps(schema_json(), indent=2))
