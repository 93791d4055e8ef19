"""Errors say what is wrong, where, and what to do."""

from lp_core.errors import LPError, unknown_name


def test_a_message_has_problem_place_and_remedy_each_on_a_line():
    error = LPError("it broke", where="file.csv, line 3", remedy="mend it")
    assert str(error) == "it broke\nin: file.csv, line 3\ntry: mend it"
    assert str(LPError("it broke")) == "it broke"


def test_an_unknown_name_without_any_known_one_says_so():
    assert "none is registered" in str(unknown_name("loss", "x", []))
