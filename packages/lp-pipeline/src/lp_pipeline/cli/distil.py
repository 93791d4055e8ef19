"""``litpose distil``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from lp_core.paths import refuse_existing
from lp_core.text import quoted
from lp_pipeline.cli.options import Device, Overwrite, Reader
from lp_pipeline.cli.predict import sort_inputs
from lp_pipeline.cli.session import start_session
from lp_pipeline.display import terminal_display


@dataclass(frozen=True)
class Distil:
    """Make extra labels of what a model is sure of, for a student to learn from.

    TEACHER predicts unlabelled VIDEOS; its predictions of diverse frames become labels of PROJECT,
    weighted by how sure it is, that only train. They are in LABELS_distilled.csv, and no label by
    hand is changed. The student is trained with data.extra_labels.
    """

    teacher: Annotated[Path, typer.Argument(help="A model directory.")]
    project: Annotated[Path, typer.Argument(help="The config or the folder of the project.")]
    videos: Annotated[list[Path], typer.Argument(help="Unlabelled videos, or folders of them.")]
    member: Annotated[
        list[Path] | None, typer.Option(help="Another teacher, repeated for each.")
    ] = None
    smooth: Annotated[
        bool, typer.Option("--smooth", help="Smooth the predictions over time first.")
    ] = False
    count: Annotated[int, typer.Option(min=1, help="Frames of all videos, at most.")] = 200
    least: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Least weight of a keypoint that is taken.")
    ] = 0.5
    apart: Annotated[
        int | None, typer.Option(min=1, help="Frames between two; default: half a second.")
    ] = None
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same frames.")] = 0
    device: Device = "auto"
    reader: Reader = "auto"
    overwrite: Overwrite = False

    def run(self) -> None:
        """Predict, choose, and write extra labels and their images."""
        start_session()
        from lp_analysis.smoothing import Outputs, smooth_tables
        from lp_analysis.suggestion import DistilOptions, distil, extra_labels_file
        from lp_pipeline.cli.suggest import predict_by, project_config, project_labels

        display, files = terminal_display(), project_labels(project_config(self.project))
        _, videos = sort_inputs(self.videos)
        options = DistilOptions(self.count, self.least, self.apart, self.seed, self.reader)
        labels = files.of_one_camera()
        target = extra_labels_file(labels)
        refuse_existing(target, overwrite=self.overwrite)
        models = [self.teacher, *(self.member or ())]
        by, predicted = predict_by(models, videos, files, self.device, self.reader, display)
        smoothed: dict[Path, Path] = {}
        for each in predicted if self.smooth else ():
            tables = {"": list(each.members or [each.table])}
            outputs = Outputs.of(tables, None)
            smooth_tables(tables, outputs)
            smoothed[each.video] = outputs.tables[""]
        done = distil(
            predicted,
            labels,
            options,
            smoothed=smoothed,
            handler=by.handler,
            scorer=by.scorer,
        )
        for line in done.told:
            display.message(line)
        train = f"litpose train {quoted(self.project)} data.extra_labels={target.name}"
        display.message(f"next: {train}, with a smaller model.backbone")
