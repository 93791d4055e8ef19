"""``litpose predict``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast, get_args

from lp_core.errors import suggestion
from lp_pipeline.cli.outputs import check_output_folder
from lp_pipeline.cli.predict_inputs import PredictRequest, sort_inputs
from lp_pipeline.cli.predict_many import do_all
from lp_pipeline.cli.session import start_session
from lp_pipeline.display import Display, terminal_or_plain
from lp_pipeline.errors import PredictionError

if TYPE_CHECKING:
    from lp_pipeline.cli.predict_one import InputPredictor
    from lp_pipeline.model import Model


def run_predict(request: PredictRequest) -> None:
    """Predict everything that was asked for, one after the other.

    Raises:
        LPError: Something could not be predicted; all the rest is.
    """
    start_session()
    inputs = sort_inputs(request.inputs)
    if request.output_dir is not None:
        check_output_folder(request.output_dir)
    display = terminal_or_plain()
    predictor = _predictor(request, display)
    works = [
        *((file, partial(predictor.predict_labels, file)) for file in inputs.label_files),
        *((video, partial(predictor.predict_video, video)) for video in inputs.videos),
    ]
    try:
        do_all(works, display)
    except KeyboardInterrupt:
        display.message("what is predicted so far is kept: go on with the same and --resume")
        raise
    finally:
        if predictor.tally.videos > 1:
            display.message(predictor.tally.text)


def _predictor(request: PredictRequest, display: Display) -> InputPredictor:
    """The model, ready for inputs, having said what its tables will hold."""
    from lp_analysis.confidence.stored import stated_radius
    from lp_pipeline.cli.predict_one import InputPredictor
    from lp_pipeline.evaluation.model_project import pose_metrics_of

    model = _model(request)
    if model.calibration is not None:
        display.message(
            "*_calibrated_confidence.csv: the probability that a keypoint lies "
            f"{stated_radius(model.calibration)} of the truth"
        )
    pose_metrics = pose_metrics_of(request.model_dir)
    for note in pose_metrics.notes:
        display.message(f"note: {note}")
    return InputPredictor(model, request, pose_metrics.metrics, display)


def _model(request: PredictRequest) -> Model:
    """The model directory's tracker, on the device and in the precision asked for.

    Raises:
        PredictionError: There is no such precision.
    """
    from lp_pipeline.model import Model
    from lp_pipeline.prediction.device import Precision

    if request.precision not in get_args(Precision):
        raise PredictionError(
            f"unknown precision '{request.precision}'",
            remedy=suggestion(request.precision, get_args(Precision)),
        )
    return Model.from_dir(
        request.model_dir,
        device=request.device,
        precision=cast("Precision", request.precision),
        chunk=request.batch_size,
    )
