"""Which frames to label next, and what becomes of them.

`suggest_frames` ranks the frames of predicted videos, `suggest_unpredicted` those of videos without
predictions; `extract_frames` puts them into a project, with guesses that are no labels, and
`accept_suggestions` adds checked ones to the labels. `distil` chooses frames of which a teacher is
sure, for a student to learn from.
"""

from lp_analysis.suggestion.accepting import Accepted, accept_suggestions
from lp_analysis.suggestion.distillation import DistilOptions, distil, extra_labels_file
from lp_analysis.suggestion.extraction import (
    Extracted,
    check_keypoints,
    extract_frames,
    known_images,
    labelled_frames,
    suggested_file,
)
from lp_analysis.suggestion.projects import LabelFiles
from lp_analysis.suggestion.suggest import (
    PredictedVideo,
    Suggestion,
    SuggestionOptions,
    suggest_frames,
    suggest_unpredicted,
    write_suggestions,
)

__all__ = [
    "Accepted",
    "DistilOptions",
    "Extracted",
    "LabelFiles",
    "PredictedVideo",
    "Suggestion",
    "SuggestionOptions",
    "accept_suggestions",
    "check_keypoints",
    "distil",
    "extra_labels_file",
    "extract_frames",
    "known_images",
    "labelled_frames",
    "suggest_frames",
    "suggest_unpredicted",
    "suggested_file",
    "write_suggestions",
]
