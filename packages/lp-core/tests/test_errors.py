"""Errors say what is wrong, where, and what to do."""

import errno
import os

import pytest

from lp_core.errors import CoreError, LPError, unknown_name, unwritable


def test_a_message_has_problem_place_and_remedy_each_on_a_line():
    error = LPError("it broke", where="file.csv, line 3", remedy="mend it")
    assert str(error) == "it broke\nin: file.csv, line 3\ntry: mend it"
    assert str(LPError("it broke")) == "it broke"


def test_an_unknown_name_without_any_known_one_says_so():
    assert "none is registered" in str(unknown_name("loss", "x", []))


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "make room"),
        (errno.EDQUOT, "make room"),
        (errno.EROFS, "may write to"),
        (errno.EACCES, "may write to"),
        (errno.ENAMETOOLONG, "shorter name"),
        (errno.ENOTDIR, "in the way"),
    ],
)
def test_what_cannot_be_written_gets_the_remedy_of_its_cause(number, remedy):
    error = unwritable(CoreError, "the report", "r.html", OSError(number, os.strerror(number)))
    assert str(error).startswith(f"the report cannot be written: {os.strerror(number)}\nin: r.html")
    assert remedy in error.remedy
    kept = unwritable(CoreError, "the table", "t", OSError(number, ""), kept="half is kept")
    assert kept.remedy.startswith("half is kept; ")


def test_an_unknown_cause_gets_no_remedy():
    assert unwritable(CoreError, "the report", "r.html", OSError("odd")).remedy is None
