"""``litpose preview``: contact sheets of what the network will see."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lp_core.display import SILENT
from lp_core.paths import check_output_file
from lp_pipeline.cli.options import ConfigFile, Overrides
from lp_pipeline.cli.session import start_session
from lp_pipeline.printing import say

if TYPE_CHECKING:
    from jaxtyping import UInt8
    from numpy import ndarray

    from lp_core.poses import PoseTable
    from lp_core.trackers.supervised import BaseSupervisedTracker
    from lp_pipeline.config.schema import Config

_ENDINGS = (".png",)
IMAGES = 6
WINDOWS = 3
"""Rows of the table that are shown: images, or windows of frames."""


@dataclass(frozen=True)
class Preview:
    """Write a picture of augmented training images with their keypoints."""

    config: ConfigFile
    overrides: Overrides = None
    output: Annotated[Path, typer.Option("--output", "-o", help="The .png to write.")] = Path(
        "preview.png"
    )

    model_dir: Annotated[
        Path | None,
        typer.Option(
            help="A model directory whose detector finds the animals of unlabelled videos, where "
            "clips follow single animals."
        ),
    ] = None

    def run(self) -> None:
        """Write augmented training images with their keypoints and target heatmaps.

        For a tracker with context, whole windows of frames are shown. Where unsupervised losses are
        used, augmented clips of the unlabelled videos go to a second sheet, ``<output>_clips.png``;
        of several animals, they follow those that a trained detector finds.
        """
        start_session()
        output = self.output
        check_output_file(output, _ENDINGS)
        from lp_data.datasets.sheets import clip_sheet
        from lp_io.model_directory import TOP_DOWN
        from lp_pipeline.builders.animals import known_of_animals, learned_labels, settle
        from lp_pipeline.builders.data import get_clips
        from lp_pipeline.builders.model import get_tracker_class
        from lp_pipeline.config.load import load_config
        from lp_pipeline.training.unlabeled_animals import animal_clips

        config = load_config(self.config, self.overrides or (), check_paths=True).config
        tracker_class = get_tracker_class(config)
        labels = learned_labels(settle(config, tracker_class), tracker_class)
        _write(_labelled_sheet(config, tracker_class, labels), output)
        say(f"augmented training images: {output}")
        if not config.model.losses_to_use:
            return
        if not config.animals.top_down:
            clips = get_clips(config, tracker_class)
        elif self.model_dir is None:
            say(
                "note: clips of unlabelled videos follow the animals that a detector finds, which "
                "is trained first: --model-dir names a model directory that has one"
            )
            return
        else:
            known = known_of_animals(config, labels, tracker_class)[TOP_DOWN]
            clips = animal_clips(config, tracker_class, self.model_dir, known, SILENT)
        beside = output.with_name(f"{output.stem}_clips{output.suffix}")
        _write(clip_sheet(clips, config.dali.general.seed), beside)
        say(f"augmented clips of unlabelled videos: {beside}")


def _labelled_sheet(
    config: Config, tracker_class: type[BaseSupervisedTracker], labels: PoseTable
) -> UInt8[ndarray, "height width 3"]:
    """Labelled images spread over the table."""
    import numpy as np

    from lp_data.datasets.sheets import labelled_sheet
    from lp_pipeline.builders.data import get_dataset

    count = min(WINDOWS if tracker_class.context_frames > 1 else IMAGES, len(labels))
    labels = labels.rows(np.linspace(0, len(labels) - 1, count).round().astype(int).tolist())
    has_heatmaps = tracker_class.target_kind == "heatmaps"
    dataset = get_dataset(config, tracker_class, labels)
    dataset.paste_animals(config.animals.copy_paste, range(len(dataset)))
    return labelled_sheet(
        dataset,
        config.training.rng_seed_data_pt,
        cell=2**config.data.downsample_factor if has_heatmaps else None,
    )


def _write(sheet: UInt8[ndarray, "height width 3"], path: Path) -> None:
    import cv2

    from lp_core.atomic import atomic_write

    with atomic_write(path) as temporary:
        temporary.write_bytes(cv2.imencode(".png", sheet[..., ::-1])[1].tobytes())
