"""Names and messages are shown as they are, through whichever door they are printed."""

import ast
import io
import re
from pathlib import Path

import matplotlib.text
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.console import Console

from lp_analysis.comparison.intervals import compare_groups
from lp_analysis.comparison.output import comparison_figure
from lp_analysis.figures.plots import error_figure
from lp_analysis.metrics.metric_files import MetricTable
from lp_analysis.metrics.summary import PixelErrorSummary
from lp_analysis.terminal_tables import comparison_table, pixel_error_table
from lp_core.text import printable
from lp_pipeline.display import ConsoleDisplay
from lp_pipeline.printing import say

SOURCE = Path(__file__).parents[1] / "src" / "lp_pipeline"
PRINTERS = {"printing.py", "display.py"}
"""The files that may write to the terminal."""

PRINTING = ("typer.echo", "typer.secho", "click.", "rich.", "sys.stdout.", "sys.stderr.")

NAMES = st.lists(
    st.sampled_from(
        ["[", "]", "/", "left", "red", ":dog:", "{0}", "$", "_", "\\", "\x1b[31m", "ü"]
    ),
    min_size=1,
    max_size=6,
).map("".join)
HOSTILE = (
    "mouse[left].mp4",
    "[/x]",
    "[b]",
    "a:smile:b",
    "$x_1",
    "_paw",
    "{task}",
    "\x1b[2J",
    "\udcff",
)


def for_any_name(test):
    """Run a test with many names, and with those that are known to be troublesome."""
    for name in HOSTILE:
        test = example(name)(test)
    return settings(deadline=None, max_examples=20)(given(NAMES)(test))


def shown(live, action):
    """What an action on a display prints, without the colours of rich itself."""
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=live, width=1000, legacy_windows=False)
    action(ConsoleDisplay(console))
    return re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", stream.getvalue())


def summary_of(name):
    return PixelErrorSummary.from_errors(np.ones((1, 1)), [name], [name])


def comparison_of(name):
    table = MetricTable((name,), ("0", "1"), np.array([[1.0], [2.0]]))
    return compare_groups({name: [table], "other": [table]}, resamples=100)


def run_task(display, name):
    with display.task(name, 1) as update:
        update(1, name)


DOORS = {
    "message": (lambda display, name: display.message(name), 1),
    "bar": (run_task, 2),
    "table of errors": (lambda display, name: display.show(pixel_error_table(summary_of(name))), 2),
    "comparison": (lambda display, name: display.show(comparison_table(comparison_of(name))), 2),
}


@pytest.mark.parametrize("live", [True, False], ids=["terminal", "plain"])
@pytest.mark.parametrize(("action", "times"), DOORS.values(), ids=DOORS)
def test_every_door_shows_a_name_as_it_is(live, action, times):
    @for_any_name
    def check(name):
        assert shown(live, lambda display: action(display, name)).count(printable(name)) >= times

    check()


@pytest.mark.parametrize("error", [False, True])
def test_plain_lines_show_a_name_as_it_is(error, capfd):
    for name in HOSTILE:
        say(name, error=error)
        out, err = capfd.readouterr()
        assert (err if error else out) == f"{printable(name)}\n"


def figures_of(name):
    yield error_figure(np.ones((2, 1)), [name], [name, "train"], title=name)
    yield comparison_figure(comparison_of(name))


@settings(deadline=None, max_examples=10)
@given(NAMES)
@example("_paw")
@example("$x_1$")
@example("[b]")
def test_figures_write_a_name_as_it_is(name):
    for figure in figures_of(name):
        texts = [text for text in figure.findobj(matplotlib.text.Text) if text.get_text()]
        found = [text for text in texts if printable(name) in text.get_text()]
        assert len(found) >= 2, "in a label of an axis and in a legend"
        assert not any(text.get_parse_math() for text in found)


def test_nothing_else_writes_to_the_terminal():
    for path in SOURCE.rglob("*.py"):
        if path.name in PRINTERS:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            assert called not in {"print", "Console", "typer.echo", "typer.secho", "click.echo"}, (
                path
            )
            assert not called.startswith(("sys.stdout.", "sys.stderr.", "rich.print")), path
