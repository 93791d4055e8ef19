"""Options are read from plain values, strictly."""

from dataclasses import dataclass
from typing import Literal

import pytest

from lp_core.options import OptionError, plain_options, read_options


@dataclass(frozen=True, kw_only=True)
class Toy:
    names: tuple[str, ...]
    size: tuple[int, int] = (2, 3)
    rate: float = 0.5
    kind: Literal["a", "b"] = "a"
    limit: float | list[float] | None = None
    flag: bool = False
    centre: Literal["mean", "median"] | None = None


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
    ],
)
def test_a_wrong_value_is_refused_with_its_place(values, message):
    with pytest.raises(OptionError, match=message) as error:
        read(**values)
    assert "model" in str(error.value)
