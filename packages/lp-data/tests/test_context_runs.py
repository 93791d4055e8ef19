"""Every frame of a stream is predicted once, from the frames around it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lp_data.loading.runs import with_context


def _chunks(frames, sizes):
    """The frames in pieces of these sizes, the last ones repeated as often as needed."""
    pieces, start = [], 0
    while start < len(frames):
        size = sizes[min(len(pieces), len(sizes) - 1)]
        pieces.append(frames[start : start + size])
        start += size
    return pieces


@settings(deadline=None, max_examples=100)
@given(
    count=st.integers(1, 20),
    sizes=st.lists(st.integers(1, 6), min_size=1, max_size=20),
    margin=st.integers(0, 3),
)
def test_each_frame_has_its_neighbours_and_the_ends_repeat_themselves(count, sizes, margin):
    frames = np.arange(count, dtype=np.uint8)[:, None, None, None].repeat(3, axis=3)
    windows = []
    for run in with_context(iter(_chunks(frames, sizes)), margin):
        numbers = run[:, 0, 0, 0].tolist()
        width = 2 * margin + 1
        windows += [numbers[i : i + width] for i in range(len(numbers) - width + 1)]
    expected = [
        [min(max(frame + offset, 0), count - 1) for offset in range(-margin, margin + 1)]
        for frame in range(count)
    ]
    assert windows == expected


@pytest.mark.parametrize("margin", [0, 2])
def test_an_empty_stream_gives_nothing(margin):
    assert list(with_context([], margin)) == []
