"""What a plug-in's own code raises is told in a few lines that name its distribution."""

import shutil
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent / "third_party" / "map-mean-tracker" / "src" / "map_mean_tracker"
FAULTS = {
    "building": (
        "def __init__(self, options: CentroidOptions, **keywords: Any) -> None:\n",
        "MapMeanTracker.__init__",
    ),
    "training": (
        "def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:\n",
        "MapMeanTracker.forward",
    ),
}
"""By when it fails: a line of the plug-in after which the fault is put, and where it is then."""

FAULT = "        raise ValueError('too few legs')\n"


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Installs a copy of the map-mean tracker with a fault, for the length of a test."""

    def install(before):
        site = tmp_path / "site"
        shutil.copytree(SOURCE, site / "map_mean_tracker")
        file = site / "map_mean_tracker" / "tracker.py"
        text = file.read_text()
        if before not in text:
            pytest.fail(f"the plug-in has no line {before!r}")
        file.write_text(text.replace(before, before + FAULT, 1))
        info = site / "map_mean_tracker-2.3.1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            "Metadata-Version: 2.1\nName: map-mean-tracker\nVersion: 2.3.1\n"
        )
        (info / "entry_points.txt").write_text(
            "[lp.models]\nmap_mean = map_mean_tracker.tracker:MapMeanTracker\n"
            "[lp.losses]\nsmooth_distance = map_mean_tracker.loss:SmoothDistance\n"
        )
        monkeypatch.syspath_prepend(str(site))
        for name in [name for name in sys.modules if name.startswith("map_mean_tracker")]:
            monkeypatch.delitem(sys.modules, name)
        return file

    yield install
    for name in [name for name in sys.modules if name.startswith("map_mean_tracker")]:
        del sys.modules[name]


@pytest.mark.parametrize("when", FAULTS)
def test_an_error_of_a_plugin_names_it(litpose, config_file, tiny_training, plugin, tmp_path, when):
    before, name = FAULTS[when]
    file = plugin(before)
    line = file.read_text()[: file.read_text().index("raise ValueError")].count("\n") + 1
    settings = (*tiny_training, "model.model_type=map_mean", "model.feature_stride=null")
    arguments = ("train", config_file, *settings, "-o", tmp_path / "model")
    outcome = litpose(*arguments)
    assert outcome.code == 2, outcome.err
    assert len(outcome.err.splitlines()) <= 5, outcome.err
    for text in ("map-mean-tracker 2.3.1", name, "ValueError: too few legs", f"{file}:{line}"):
        assert text in outcome.err
    with pytest.raises(ValueError, match="too few legs"):
        litpose("--debug", *arguments, "--overwrite")  # what the first one left can be replaced
