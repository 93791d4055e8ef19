"""Options of trackers and losses, those of other people's distributions included."""

import textwrap

import pytest

from lp_pipeline.config.json_schema import schema_json
from lp_pipeline.config.load import load_config, save_config
from lp_pipeline.errors import ConfigError

CODE = """
from dataclasses import dataclass

from lp_core.errors import LossError
from lp_core.losses.contract import Loss, LossOptions
from lp_core.trackers.options import TrackerOptions


@dataclass(frozen=True, kw_only=True)
class AcmeOptions(TrackerOptions):
    layers: int = 2
    widths: tuple[int, ...] = (8, 8)
    note: str | None = "none"


class AcmeTracker:
    Options = AcmeOptions


@dataclass(frozen=True, kw_only=True)
class AcmeLossOptions(LossOptions):
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self):
        if self.low < 0:
            raise LossError("low is below 0", where="low")
        if self.high < self.low:
            raise LossError("high is below low", remedy="raise high")


class AcmeLoss(Loss):
    name = "acme"
    Options = AcmeLossOptions
"""

ENTRY_POINTS = """
[lp.models]
acme = acme_plugins:AcmeTracker
broken = acme_absent:Tracker

[lp.losses]
acme = acme_plugins:AcmeLoss
"""


@pytest.fixture
def acme(tmp_path, monkeypatch):
    """An installed distribution of somebody else."""
    site = tmp_path / "site"
    info = site / "acme-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "acme_plugins.py").write_text(CODE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(textwrap.dedent(ENTRY_POINTS))
    monkeypatch.syspath_prepend(str(site))


def load(tmp_path, text, *overrides):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    return load_config(path, overrides)


def refused(tmp_path, text, *overrides):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text, *overrides)
    return str(caught.value)


def test_a_trackers_own_options_may_stand_under_model(tmp_path, acme):
    loaded = load(tmp_path, "model:\n  model_type: acme\n  layers: 3\n", "model.widths=[4, 5]")
    assert loaded.config.model.options == {"layers": 3, "widths": [4, 5]}
    assert loaded.origins["model.options.layers"].endswith("c.yaml:3")
    assert loaded.origins["model.options.widths"] == "override"
    save_config(loaded.config, tmp_path / "saved.yaml")
    assert load_config(tmp_path / "saved.yaml").config == loaded.config


def test_null_takes_a_trackers_default_unless_it_is_a_value(tmp_path, acme):
    text = "model: {model_type: acme, layers: null, note: null}\n"
    assert load(tmp_path, text).config.model.options == {"note": None}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("layer: 3", "model.layer: unknown option\n"),
        ("layer: 3", "did you mean 'layers'?"),
        ("backbon: resnet18", "did you mean 'backbone'?"),
        ("layers: many", "expected int, got 'many'"),
        ("widths: [4, x]", "expected int, got 'x'"),
        ("image_size: [64, 64]", "set data.image_resize_dims"),
        ("options: {backbone: resnet18}", "set model.backbone"),
        ("options: 5", "a section with keys, got 5"),
    ],
)
def test_a_wrong_option_of_a_tracker_is_told(tmp_path, acme, line, words):
    message = refused(tmp_path, f"model:\n  model_type: acme\n  {line}\n")
    assert words in message
    assert "c.yaml:3" in message


def test_an_option_given_in_both_places_is_told(tmp_path, acme):
    message = refused(tmp_path, "model: {model_type: acme, layers: 2, options: {layers: 3}}\n")
    assert "also given in model.options" in message


def test_options_of_one_tracker_are_none_of_another(tmp_path, acme):
    message = refused(tmp_path, "model: {model_type: heatmap, layers: 2}\n")
    assert "model.layers: unknown option" in message


def test_a_plugin_that_cannot_be_imported_is_told(tmp_path, acme):
    message = refused(tmp_path, "model: {model_type: broken, layers: 2}\n")
    assert "cannot be imported" in message
    assert "acme" in message


def test_several_wrong_options_of_losses_are_told_at_once(tmp_path, acme):
    text = (
        "losses:\n  temporal:\n    epsilon: far\n    epsilom: 2\n  acme:\n    high: [1]\n"
        "  temporl: {}\n  pca_singleview: 5\n"
    )
    message = refused(tmp_path, text)
    for line, words in (
        (3, "losses.temporal.epsilon: expected"),
        (4, "losses.temporal.epsilom: unknown option (did you mean 'epsilon'?"),
        (6, "losses.acme.high: expected float"),
        (7, "losses.temporl: unknown loss 'temporl' (did you mean 'temporal'?"),
        (8, "losses.pca_singleview: expected a section"),
    ):
        assert f"c.yaml:{line}: {words}" in message


def test_a_losses_own_checks_are_told_with_place_and_all_at_once(tmp_path, acme):
    text = "losses:\n  acme:\n    low: -1.0\n    high: -2.0\n"
    message = refused(tmp_path, text)
    assert "c.yaml:3: losses.acme.low: low is below 0" in message
    assert "c.yaml:2: losses.acme: high is below low (raise high)" in message


@pytest.mark.parametrize("value", ["0.99", "120", "-1"])
def test_a_percentile_is_no_fraction_and_at_most_100(tmp_path, value):
    text = f"losses:\n  pca_singleview:\n    empirical_epsilon_percentile: {value}\n"
    message = refused(tmp_path, text)
    assert "losses.pca_singleview.empirical_epsilon_percentile" in message
    assert "c.yaml:3" in message
    assert "100" in message


def test_an_unused_loss_is_checked_and_an_empty_one_takes_its_defaults(tmp_path):
    assert load(tmp_path, "losses: {temporal: null}\n").config.losses == {"temporal": {}}


def test_the_json_schema_knows_the_losses_of_others(acme):
    schema = schema_json()
    losses = schema["properties"]["losses"]["properties"]
    assert losses["acme"]["properties"]["high"]["default"] == 1.0
    assert "acme" in schema["$defs"]["ModelConfig"]["properties"]["model_type"]["examples"]
