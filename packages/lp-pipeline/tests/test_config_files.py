"""The configs that come with the repository, and what editors are told about configs."""

import functools
import math
from importlib.resources import files
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from lp_core.options import plain_options
from lp_core.registry import LOSSES, load_plugin
from lp_io.documents.report import Report
from lp_io.documents.sections import keys_of
from lp_io.documents.validation import validated
from lp_pipeline.config.json_schema import schema_json
from lp_pipeline.config.load import READER, load_config
from lp_pipeline.config.schema import Config

CONFIGS = Path(__file__).parents[3] / "configs"


def value_at(values, path):
    for name in path:
        values = values[name]
    return values


def test_default_yaml_gives_every_key_its_default():
    values = READER.read(CONFIGS / "default.yaml").values
    for path, known in keys_of(Config).items():
        if path != ("losses",):
            assert value_at(values, path) == known.default, ".".join(path)


def test_default_yaml_explains_every_key_by_a_comment():
    lines = (CONFIGS / "default.yaml").read_text().splitlines()
    places = READER.read(CONFIGS / "default.yaml").places
    for path in keys_of(Config):
        number = int(places[path].rsplit(":", 1)[1])
        # keys that belong together share a comment
        above = lines[max(0, number - 7) : number - 1]
        assert any(line.strip().startswith("# ") and "---" not in line for line in above), path
        assert len(lines[number - 1]) <= 100


def test_default_yaml_lists_every_option_of_the_losses():
    losses = load_config(CONFIGS / "default.yaml").config.losses
    assert set(losses) == {"pca_singleview", "pca_multiview", "temporal"}
    for name, options in losses.items():
        defaults = plain_options(load_plugin(LOSSES, name).Options())
        assert options == defaults


def test_default_yaml_loads_as_the_defaults():
    config = load_config(CONFIGS / "default.yaml").config
    config.losses = {}
    expected = Config()
    expected.training.max_epochs = 300
    assert config == expected


def test_the_mirror_mouse_config_pairs_the_keypoints_of_both_views():
    data = load_config(CONFIGS / "mirror_mouse_example.yaml").config.data
    assert data.keypoint_names is not None
    top, bottom = ([data.keypoint_names[i] for i in view] for view in data.mirrored_column_matches)
    assert len(top) == 7
    assert [name.removesuffix("_top") for name in top] == [
        name.removesuffix("_bot") for name in bottom
    ]
    body = [data.keypoint_names[i] for i in data.columns_for_singleview_pca or []]
    assert body == [*top, *bottom]


@pytest.mark.parametrize("name", ["mirror_mouse_example.yaml", "synthetic.yaml"])
def test_the_examples_need_only_a_project_folder(name, tmp_path):
    for folder in ("videos", "videos_test"):
        (tmp_path / folder).mkdir()
    (tmp_path / "CollectedData.csv").touch()
    loaded = load_config(CONFIGS / name, [f"data.data_dir={tmp_path}"], check_paths=True)
    assert loaded.notes == []


@functools.cache
def whole_schema():
    return schema_json()


def section_schema(path):
    """The part of the JSON schema that describes a section."""
    schema = node = whole_schema()
    for name in path:
        reference = node["properties"][name]["anyOf"][0]["$ref"]
        node = schema["$defs"][reference.rsplit("/", 1)[1]]
    return node


def test_the_json_schema_describes_every_key():
    for path, known in keys_of(Config).items():
        section = section_schema(path[:-1])
        entry = section["properties"][path[-1]]
        assert entry["default"] == known.default
        assert entry.get("description") or section["description"]


def test_the_json_schema_knows_types_ranges_and_words():
    training = section_schema(["training"])["properties"]
    assert training["train_batch_size"]["anyOf"][0] == {"type": "integer", "minimum": 1}
    assert training["max_epochs"]["anyOf"][:2] == [
        {"type": "integer", "minimum": 1},
        {"type": "null"},
    ]
    assert training["train_prob"]["anyOf"][0] == {
        "type": "number",
        "exclusiveMinimum": 0,
        "maximum": 1,
    }
    assert training["optimizer"]["anyOf"][0]["enum"] == ["Adam", "AdamW"]
    assert {"type": "null"} in training["profiler"]["anyOf"]
    assert training["imgaug"]["description"].startswith("Augmentation")
    assert section_schema(["data"])["additionalProperties"] is False


@settings(deadline=None, max_examples=200)
@given(path=st.sampled_from(list(keys_of(Config))), value=st.floats(-10, 10) | st.integers(-3, 30))
def test_what_the_json_schema_allows_as_a_number_is_loaded(path, value):
    choices = section_schema(path[:-1])["properties"][path[-1]].get("anyOf", [])
    numbers = [item for item in choices if item.get("type") in ("integer", "number")]
    if not numbers:
        return
    limits = numbers[0]
    inside = limits.get("minimum", value) <= value <= limits.get("maximum", value)
    inside &= value > limits.get("exclusiveMinimum", -math.inf)
    whole = limits["type"] == "number" or value == int(value)
    report = Report(Path("c.yaml"), nested(path, value))
    validated(Config, report)
    told = [str(problem) for problem in report.problems]
    assert (told == []) == (inside and whole) or "a share up to 1 or a whole number" in told[0]


def nested(path, value):
    for name in reversed(path):
        value = {name: value}
    return value


@pytest.mark.parametrize("file", sorted(CONFIGS.glob("*.yaml")), ids=lambda file: file.name)
def test_the_configs_fit_the_json_schema(file):
    validator = pytest.importorskip("jsonschema").Draft202012Validator(schema_json())
    values = READER.read(file).values
    assert [error.message for error in validator.iter_errors(values)] == []
    values["training"] |= {"max_epochs": "${training.min_epochs}", "precision": "${x}"}
    assert validator.is_valid(values)
    for key, wrong in (("train_batch_size", 0), ("optimizer", "SGD"), ("max_epoch", 3)):
        other = {**values, "training": {**values["training"], key: wrong}}
        assert not validator.is_valid(other), key


def test_the_json_schema_is_plain_json(tmp_path):
    assert yaml.safe_load(yaml.safe_dump(schema_json())) == schema_json()


def test_the_demo_trains_with_the_config_that_is_shown():
    packaged = files("lp_pipeline.cli").joinpath("synthetic.yaml").read_text()
    assert packaged == (CONFIGS / "synthetic.yaml").read_text()
