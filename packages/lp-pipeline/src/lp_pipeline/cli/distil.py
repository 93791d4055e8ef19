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
from lp_pipeline.errors import PredictionError


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
        list[Path] | None,
        typer.Option(help="Another model of an ensemble, repeated for each."),
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
        from lp_pipeline.cli.suggest import looks_of, predict_by, project_config, project_labels

        display, files = terminal_display(), project_labels(project_config(self.project))
        if files.views is not None:
            raise PredictionError(
                "extra labels are of one camera, but the project has several", where=self.project
            )
        _, videos = sort_inputs(self.videos)
        options = DistilOptions(self.count, self.least, self.apart, self.seed, self.reader)
        target = extra_labels_file(files.files[0])
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
            files.files[0],
            options,
            smoothed=smoothed,
            handler=looks_of(by),
            scorer=by.scorer,
        )
        for note in done.notes:
            display.message(f"note: {note}")
        display.message(f"{done.images} extra labels: {done.file}")
        key = f"data.extra_labels={target.name}"
        display.message(
            f"next: litpose train {quoted(self.project)} {key}, with a smaller model.backbone"
        )
