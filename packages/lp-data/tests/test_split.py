"""Splits are disjoint, complete, of the right sizes, and the same everywhere."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lp_data.errors import SplitError
from lp_data.split import split_rows


@settings(deadline=None, max_examples=200)
@given(
    num_rows=st.integers(2, 400),
    shares=st.tuples(st.floats(0.05, 1), st.floats(0, 0.9)).filter(lambda s: sum(s) <= 1),
    seed=st.integers(0, 2**32),
    train_frames=st.one_of(st.floats(0.05, 1), st.integers(1, 500)),
)
def test_every_row_has_exactly_one_use(num_rows, shares, seed, train_frames):
    split = split_rows(num_rows, *shares, seed, train_frames)
    parts = [split.train, split.validation, split.test, split.unused]
    assert sorted(row for part in parts for row in part) == list(range(num_rows))
    assert split.train
    assert split.validation
    assert split == split_rows(num_rows, *shares, seed, train_frames)


@settings(deadline=None, max_examples=50)
@given(num_rows=st.integers(10, 200), seed=st.integers(0, 1000), frames=st.integers(2, 300))
def test_fewer_training_frames_change_nothing_else(num_rows, seed, frames):
    whole, part = (split_rows(num_rows, 0.8, 0.1, seed, n) for n in (1, frames))
    assert part.validation == whole.validation
    assert part.test == whole.test
    assert part.train == whole.train[:frames]
    assert part.train + part.unused == whole.train


@pytest.mark.parametrize(
    ("num_rows", "train", "val", "sizes"),
    [
        (100, 0.95, 0.05, (95, 5, 0)),
        (90, 0.8, 0.1, (72, 9, 9)),
        (100, 0.29, 0.57, (29, 57, 14)),  # 0.29 * 100 is below 29 in binary
        (93, 0.8, 0.1, (75, 9, 9)),  # 74 + 9 + 9, and the one left over trains
        (10, 0.95, 0.05, (9, 1, 0)),  # the floor of validation is none, one is the least
        (2, 0.95, 0.05, (1, 1, 0)),
        (3, 0.1, 0.1, (1, 1, 1)),
        (50, 1.0, 0.0, (49, 1, 0)),
    ],
)
def test_sizes(num_rows, train, val, sizes):
    split = split_rows(num_rows, train, val, seed=0)
    assert (len(split.train), len(split.validation), len(split.test)) == sizes


def test_share_of_training_frames():
    assert len(split_rows(100, 0.8, 0.1, 0, 0.25).train) == 20
    assert len(split_rows(100, 0.8, 0.1, 0, 75).train) == 75


def test_more_training_frames_than_there_are(caplog):
    assert len(split_rows(100, 0.8, 0.1, 0, 1000).train) == 80
    assert "only 80" in caplog.text


def test_same_rows_on_every_machine():
    split = split_rows(10, 0.6, 0.2, seed=7)
    assert split.train == GOLDEN_TRAIN
    assert split_rows(10, 0.6, 0.2, seed=8).train != split.train


GOLDEN_TRAIN = (6, 3, 4, 9, 0, 2)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ((1, 0.8, 0.1, 0), "1 labelled frames"),
        ((0, 0.8, 0.1, 0), "0 labelled frames"),
        ((10, 0.8, 0.3, 0), "shares"),
        ((10, 0.0, 0.3, 0), "shares"),
        ((10, 80, 10, 0), "shares"),
        ((10, 0.8, 0.1, 0, 0), "training frames"),
        ((10, 0.8, 0.1, 0, float("nan")), "training frames"),
    ],
)
def test_senseless_shares_are_refused(arguments, word):
    with pytest.raises(SplitError, match=word):
        split_rows(*arguments)
