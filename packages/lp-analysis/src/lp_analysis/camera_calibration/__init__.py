"""Calibrate cameras from boards, and refine their poses from what they saw of animals."""

from lp_analysis.camera_calibration.adjustment import Adjusted, AdjustmentOptions, Bodies, adjust
from lp_analysis.camera_calibration.boards import Board
from lp_analysis.camera_calibration.files import calibrate_videos, refine_with_tables
from lp_analysis.camera_calibration.from_boards import BoardReport, Calibrated, calibrate
from lp_analysis.camera_calibration.refinement import CameraReport, Refined, refine_poses

__all__ = [
    "Adjusted",
    "AdjustmentOptions",
    "Board",
    "BoardReport",
    "Bodies",
    "Calibrated",
    "CameraReport",
    "Refined",
    "adjust",
    "calibrate",
    "calibrate_videos",
    "refine_poses",
    "refine_with_tables",
]
