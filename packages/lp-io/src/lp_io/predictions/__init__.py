"""Tables of predictions in the formats of DeepLabCut, Lightning Pose and others."""

from lp_io.predictions.animals import AnimalPredictions, holds_several, predictions_of_video
from lp_io.predictions.formats import (
    FORMATS,
    PredictionFormat,
    WriteOptions,
    read_predictions,
    write_predictions,
)
from lp_io.predictions.streaming import PredictionCsvWriter, scorer_name
from lp_io.predictions.video import VideoPredictions, in_frame_order

__all__ = [
    "FORMATS",
    "AnimalPredictions",
    "PredictionCsvWriter",
    "PredictionFormat",
    "VideoPredictions",
    "WriteOptions",
    "holds_several",
    "in_frame_order",
    "predictions_of_video",
    "read_predictions",
    "scorer_name",
    "write_predictions",
]
