"""Commands that other distributions register are commands of ``litpose``."""

import os
import subprocess
import sys

MODULE = '''
from dataclasses import dataclass


@dataclass(frozen=True)
class Greet:
    """Greet somebody."""

    name: str

    def run(self) -> None:
        """Greet."""
        print(f"hello {self.name}")
'''


def litpose(folder, *arguments):
    """Calls ``litpose`` with a distribution in ``folder`` that registers commands."""
    (folder / "greeting.py").write_text(MODULE)
    info = folder / "greeting-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n")
    entries = "[lp.commands]\ngreet = greeting:Greet\nbroken = greeting_that_is_not_there:Greet\n"
    (info / "entry_points.txt").write_text(entries)
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.run(
        [sys.executable, "-m", "lp_pipeline.cli.main", *arguments],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
    )


def test_a_registered_command_runs_with_its_arguments(tmp_path):
    done = litpose(tmp_path, "greet", "everybody")
    assert (done.returncode, done.stdout) == (0, "hello everybody\n")


def test_one_that_cannot_be_imported_says_what_to_repair_and_hinders_no_other(tmp_path):
    done = litpose(tmp_path, "broken")
    assert done.returncode == 2
    assert "greeting_that_is_not_there" in done.stderr
    assert "greeting 1.0" in done.stderr
    assert "Traceback" not in done.stderr


def test_they_are_listed_in_the_help(tmp_path):
    help_text = litpose(tmp_path, "--help").stdout
    assert "Greet somebody" in help_text
    assert "train" in help_text
