"""What predicts the animals of a frame, where these are not simply the whole frame."""

from __future__ import annotations

from pathlib import Path

from lp_analysis.prediction.top_down import TopDownPredictor
from lp_analysis.prediction.whole_frames import WholeFramePredictor
from lp_data.inference.handler import PredictionHandler
from lp_io.checkpoint import Manifest

AnimalPredictor = TopDownPredictor | WholeFramePredictor


def animal_predictor(
    folder: Path, manifest: Manifest, handler: PredictionHandler
) -> AnimalPredictor | None:
    """What finds the animals of frames; None for a tracker that looks for one in the whole frame.

    Args:
        folder: The model directory.
        manifest: Its manifest.
        handler: Runs its tracker.

    Raises:
        CheckpointError: What finds the animals is missing or cannot be trusted.
    """
    whole = WholeFramePredictor.of_model(folder, manifest, handler)
    return whole or TopDownPredictor.of_model(folder, manifest, handler)
