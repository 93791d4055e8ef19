"""Options are read from plain values, strictly."""

from dataclasses import dataclass
from typing import Annotated, Literal

import pytest
from pydantic import Field

from lp_core.options import OptionError, plain_options, range_words, read_options


@dataclass(frozen=True, kw_only=True)
class Toy:
    names: tuple[str, ...]
    size: tuple[int, int] = (2, 3)
    rate: float = 0.5
    kind: Literal["a", "b"] = "a"
    limit: float | list[float] | None = None
    flag: bool = False
    centre: Literal["mean", "median"] | None = None
    share: Annotated[float | None, Field(gt=0, le=1)] = None
    count: Annotated[int, Field(ge=1)] = 1


def read(**values):
    return read_options(Toy, values, place="model")


def test_lists_become_tuples_and_whole_numbers_floats():
    options = read(names=["x"], size=[4, 5], rate=1)
    assert options == Toy(names=("x",), size=(4, 5), rate=1.0)
    assert isinstance(options.rate, float)


def test_plain_values_come_back_as_the_same_options():
    options = Toy(names=("x", "y"), limit=[1.0, 2.0])
    assert read_options(Toy, plain_options(options), place="model") == options


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "option 'names' is missing"),
        ({"names": ["x"], "rte": 1}, "did you mean 'rate'"),
        ({"names": "x"}, "expected a list"),
        ({"names": ["x"], "size": [1, 2, 3]}, "expected 2 values, got 3"),
        ({"names": ["x"], "size": [1, 2.5]}, "expected int, got 2.5"),
        ({"names": ["x"], "rate": "fast"}, "expected float, got 'fast'"),
        ({"names": ["x"], "rate": True}, "expected float, got True"),
        ({"names": ["x"], "kind": "c"}, "expected one of"),
        ({"names": ["x"], "limit": "much"}, "expected float or list"),
        ({"names": ["x"], "centre": "middle"}, "expected 'mean', 'median' or null, got 'middle'"),
        ({"names": ["x"], "flag": 1}, "expected bool, got 1"),
        ({"names": ["x", 3]}, "expected str, got 3"),
        ({"names": ["x"], "share": 0}, "must be above 0 and at most 1, got 0"),
        ({"names": ["x"], "count": 0}, "must be at least 1, got 0"),
        ({"names": ["x"], "count": 1.5}, "expected int, got 1.5"),
    ],
)
def test_a_wrong_value_is_refused_with_its_place(values, message):
    with pytest.raises(OptionError, match=message) as error:
        read(**values)
    assert "model" in str(error.value)


def test_all_wrong_values_are_told_at_once():
    with pytest.raises(OptionError) as error:
        read(names=["x", 1], rate="fast", counts=2)
    for part in (
        "3 options",
        "names[1]: expected str",
        "rate: expected",
        "unknown option 'counts'",
    ):
        assert part in str(error.value)


def test_a_count_stays_a_count_where_a_share_is_allowed_too():
    @dataclass(frozen=True, kw_only=True)
    class Keep:
        keep: int | float = 1

    read_keep = {
        value: read_options(Keep, {"keep": value}, place="loss").keep for value in (3, 0.5)
    }
    assert read_keep == {3: 3, 0.5: 0.5}
    assert isinstance(read_keep[3], int)
    assert isinstance(read_options(Keep, {"keep": 3.0}, place="loss").keep, float)


def test_what_the_options_check_themselves_is_told_as_they_say_it():
    @dataclass(frozen=True, kw_only=True)
    class Checked:
        low: int = 0
        high: int = 1

        def __post_init__(self) -> None:
            if self.high < self.low:
                raise ValueError("high is below low")

    with pytest.raises(OptionError, match="high is below low"):
        read_options(Checked, {"low": 2}, place="loss")


def test_ranges_read_as_sentences():
    assert range_words([Field(ge=1)]) == "at least 1"
    assert range_words([Field(ge=0, le=1)]) == "from 0 to 1"
    assert range_words([Field(gt=0, le=1)]) == "above 0 and at most 1"
    assert range_words([Field(gt=0)]) == "above 0"
