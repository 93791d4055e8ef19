"""Check a whole project in one pass: its label files, images and videos."""

from lp_data.check.project import check_project
from lp_data.check.report import (
    AnimalSummary,
    KeypointSummary,
    Problem,
    ProjectReport,
    VideoSummary,
)

__all__ = [
    "AnimalSummary",
    "KeypointSummary",
    "Problem",
    "ProjectReport",
    "VideoSummary",
    "check_project",
]
