"""Prediction tables, in memory and in the formats of DeepLabCut, Lightning Pose and others."""

from lp_io.predictions.formats import (
    FORMATS,
    PredictionFormat,
    WriteOptions,
    read_predictions,
    write_predictions,
)
from lp_io.predictions.frame_numbers import in_frame_order
from lp_io.predictions.reading import read_prediction_chunks, read_predictions_csv
from lp_io.predictions.streaming import PredictionCsvWriter
from lp_io.predictions.table import PredictionTable, scorer_name
from lp_io.predictions.video import VideoPredictions
from lp_io.predictions.writing import write_predictions_csv

__all__ = [
    "FORMATS",
    "PredictionCsvWriter",
    "PredictionFormat",
    "PredictionTable",
    "VideoPredictions",
    "WriteOptions",
    "in_frame_order",
    "read_prediction_chunks",
    "read_predictions",
    "read_predictions_csv",
    "scorer_name",
    "write_predictions",
    "write_predictions_csv",
]
