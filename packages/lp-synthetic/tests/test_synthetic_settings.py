"""Settings of a synthetic project that cannot be met are refused when they are made."""

from __future__ import annotations

import pytest

from lp_synthetic import SyntheticSettings
from lp_synthetic.errors import SyntheticProjectError


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"height": 255}, "height is 255"),
        ({"width": 32}, "width is 32"),
        ({"frames_per_video": 5}, "frames_per_video is 5"),
        ({"test_frames": 0}, "test_frames is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"fps": 0}, "fps is 0"),
        ({"max_turn": 200.0}, "max_turn is 200"),
        ({"sessions": 0, "train_videos": 0}, "sessions is 0"),
        ({"train_videos": 9}, "train_videos is 9"),
        ({"labeled_frames": 3}, "labeled_frames is 3, fewer"),
        ({"labeled_frames": 5000}, "labeled_frames is 5000, more"),
        ({"ood_labeled_frames": 0}, "ood_labeled_frames is 0"),
        ({"ood_frames": 20}, "ood_labeled_frames is 24"),
        ({"cameras": 2, "glass_floor": True}, "glass_floor needs"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    change: dict[str, int], problem: str
) -> None:
    with pytest.raises(SyntheticProjectError, match=problem):
        SyntheticSettings(**change)


def test_tiny_and_default_settings_can_be_met() -> None:
    assert SyntheticSettings().video_names == ("session_00", "session_01")
    assert SyntheticSettings.tiny().video_names == ("session_00",)
