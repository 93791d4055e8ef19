"""Prediction tables, in memory and in the CSV layout of DeepLabCut and Lightning Pose."""

from lp_io.predictions.reading import read_predictions_csv
from lp_io.predictions.streaming import PredictionCsvWriter
from lp_io.predictions.table import PredictionTable, scorer_name
from lp_io.predictions.writing import write_predictions_csv

__all__ = [
    "PredictionCsvWriter",
    "PredictionTable",
    "read_predictions_csv",
    "scorer_name",
    "write_predictions_csv",
]
