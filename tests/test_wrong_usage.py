"""What a new user types wrongly: one helpful message each, exit code 2, and nothing written."""

import os
import subprocess
import sys

import h5py
import pytest

WRONG = {
    "a misspelt command": (("tran",), "Did you mean 'train'"),
    "a misspelt subcommand": (("config", "schem"), "schema"),
    "no config": (("train",), "litpose train CONFIG.yaml"),
    "a config that is not there": (("train", "none.yaml"), "there is no such config"),
    "a folder for a config": (("train", "folder"), "give the YAML file"),
    "a text for a config": (("train", "notes.txt"), "not a mapping of sections"),
    "an empty config": (("config", "check", "empty.yaml"), "the config is empty"),
    "an option for a setting": (("train", "c.yaml", "--epochs", "3"), "training.max_epochs=100"),
    "a setting without a value": (("train", "c.yaml", "training.max_epochs"), "key=value"),
    "a misspelt key": (("train", "c.yaml", "training.max_epoch=3"), "training.max_epochs"),
    "a value out of range": (("train", "c.yaml", "training.train_prob=2"), "training.train_prob"),
    "a word for a number": (("train", "c.yaml", "training.max_epochs=many"), "max_epochs"),
    "no project": (("train", "c.yaml"), "data.data_dir=/path/to/the/project"),
    "a project that is not there": (("train", "c.yaml", "data.data_dir=none"), "no folder"),
    "nothing to resume": (("train", "--resume", "folder"), "no training to resume"),
    "no inputs to predict": (("predict", "folder"), "inputs"),
    "an input that is not there": (("predict", "folder", "none.mp4"), "none.mp4"),
    "a folder that is not a model": (("predict", "folder", "notes.csv"), "manifest"),
    "no batch": (("predict", "--batch-size", "0", "a", "b"), "batch-size"),
    "a project to check that is not there": (("check", "none"), "not a folder"),
    "a kind that cannot be listed": (("list", "model"), "did you mean 'models'"),
    "an unknown option": (("--versio",), "--version"),
    "a full folder for the demo": (("demo", "folder"), "not empty"),
    "a picture under another ending": (("preview", "c.yaml", "-o", "x.txt"), "ends in .png"),
    "a comparison under another ending": (("compare", "a", "-o", "x.pdf"), "ends in .csv or .png"),
    "a video under another ending": (("render", "a", "b", "-o", "x.avi"), "ends in .mp4"),
    "a picture over a folder": (("preview", "c.yaml", "-o", "folder.png"), "this is a folder"),
    "a model over a file": (("train", "c.yaml", "-o", "notes.txt"), "go into a folder"),
    "predictions over a file": (("predict", "a", "notes.csv", "-o", "notes.txt"), "into a folder"),
    "outliers over a file": (("outliers", "a", "notes.csv", "-o", "notes.txt"), "into a folder"),
    "a demo over a file": (("demo", "notes.txt"), "into a folder"),
    "a demo of too many animals": (("demo", "demo", "--animals", "7"), "within 1 and 6"),
    "a demo of too many cameras": (("demo", "demo", "--cameras", "7"), "within 1 and 6"),
    "no calibration": (("triangulate", "none.toml", "a_top.csv"), "no such file"),
    "a plug-in over a file": (("new-model", "nine", "--folder", "notes.txt"), "into a folder"),
    "a model to judge that is not there": (("outliers", "none", "notes.csv"), "no such model"),
    "a model to evaluate that is not there": (("evaluate", "none"), "no such model directory"),
    "a name that no model can have": (("new-model", "9 lives"), "cannot name a model"),
}


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A folder with the things that are mistaken for others."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "folder" / "thing").write_text("")
    (tmp_path / "notes.txt").write_text("dear diary\n")
    (tmp_path / "notes.csv").write_text("dear,diary\n")
    (tmp_path / "empty.yaml").write_text("")
    (tmp_path / "c.yaml").write_text("model: {model_type: heatmap}\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("arguments", "expected"), WRONG.values(), ids=WRONG)
def test_wrong_usage(litpose, desk, arguments, expected):
    before = sorted(desk.rglob("*"))
    outcome = litpose(*arguments)
    assert outcome.code == 2
    assert expected in outcome.err
    assert "Traceback" not in outcome.err
    assert len(outcome.err.splitlines()) <= 6
    assert sorted(desk.rglob("*")) == before


@pytest.fixture
def foreign(tmp_path, monkeypatch):
    """Projects of other tools, and a config that names one."""
    folder = tmp_path / "dlc" / "labeled-data" / "v1"
    folder.mkdir(parents=True)
    (tmp_path / "dlc" / "config.yaml").write_text("Task: t\nscorer: 007\nvideo_sets: {}\n")
    (tmp_path / "sleap").mkdir()
    with h5py.File(tmp_path / "sleap" / "labels.v001.slp", "w") as file:
        file.create_dataset("instances", (0,), dtype=[("instance_type", "i1")])
    (tmp_path / "c.yaml").write_text("data: {data_dir: dlc}\n")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("check", "dlc"), "litpose convert dlc dlc_lp"),
        (("train", "c.yaml"), "litpose convert dlc dlc_lp"),
        (("train", "dlc/config.yaml"), "litpose convert dlc dlc_lp"),
        (("config", "check", "c.yaml"), "litpose convert dlc dlc_lp"),
        (("check", "sleap"), "litpose convert sleap/labels.v001.slp sleap/labels_v001_lp"),
        (
            ("check", "sleap/labels.v001.slp"),
            "litpose convert sleap/labels.v001.slp sleap/labels_v001_lp",
        ),
        (
            ("train", "c.yaml", "data.data_dir=sleap"),
            "litpose convert sleap/labels.v001.slp sleap/labels_v001_lp",
        ),
        (
            ("train", "sleap/labels.v001.slp"),
            "litpose convert sleap/labels.v001.slp sleap/labels_v001_lp",
        ),
    ],
)
def test_projects_of_other_tools_are_to_be_converted(litpose, foreign, arguments, expected):
    outcome = litpose(*arguments)
    assert outcome.code == 2
    assert expected in outcome.err


def test_debug_shows_the_traceback_wherever_it_stands(litpose, desk):
    from lp_pipeline.errors import ConfigError

    for arguments in (("--debug", "train", "none.yaml"), ("train", "none.yaml", "--debug")):
        with pytest.raises(ConfigError):
            litpose(*arguments)


def complete(shell, words):
    """What the Tab key offers after ``words``."""
    environment = {
        "bash": {"COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)},
        "zsh": {"_TYPER_COMPLETE_ARGS": " ".join(words)},
        "fish": {
            "_TYPER_COMPLETE_ARGS": " ".join(words),
            "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        },
    }
    result = subprocess.run(
        [sys.executable, "-c", "import sys; sys.argv[0] = 'litpose'\n" + MAIN],
        env={**os.environ, **environment[shell], "_LITPOSE_COMPLETE": f"complete_{shell}"},
        capture_output=True,
        text=True,
    )
    return result.stdout


MAIN = "from lp_pipeline.cli.main import main; main()"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["litpose", "pre"], ("predict", "preview")),
        (["litpose", "list", "mo"], ("models",)),
        (["litpose", "train", "c.yaml", "training.max"], ("training.max_epochs=",)),
        (["litpose", "predict", "m", "v", "--reader", "py"], ("pyav",)),
    ],
    ids=["command", "kind", "key", "reader"],
)
def test_completion(shell, words, expected):
    offered = complete(shell, words)
    assert all(word in offered for word in expected)
