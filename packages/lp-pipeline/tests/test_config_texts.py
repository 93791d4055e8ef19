"""Keys that hold text keep the characters that were written, whatever YAML would make of them."""

import pytest

from lp_pipeline.config.load import load_config, save_config
from lp_pipeline.errors import ConfigError

LIKE_OTHERS = [
    "2024.10", "1.10", "007", "12_30", "2024_01_05", "1:30", "0x10", "0b11", "1e5", "1_0.5", ".inf",
    "+5", "-0", "1.", "2024-01-05", "a=b", "a: b", "a #b", "x,y", "ä", "D:\\lab\\x", "12:30:45.5",
    "*a", "&a", "%a", "@a", "`a`", "- a", "? a", "a]b", "!a",
]  # fmt: skip
KEYS = ("data.csv_file", "data.video_dir", "model.model_name")


def value_of(config, key):
    section, name = key.split(".")
    return getattr(getattr(config, section), name)


def load(tmp_path, text="data: {}\n", *overrides):
    path = tmp_path / "c.yaml"
    path.write_text(text, encoding="utf-8")
    return load_config(path, overrides).config


@pytest.mark.parametrize("text", LIKE_OTHERS)
def test_an_override_keeps_the_characters(tmp_path, text):
    config = load(tmp_path, "data: {}\n", *(f"{key}={text}" for key in KEYS))
    assert [value_of(config, key) for key in KEYS] == [text] * len(KEYS)
    save_config(config, tmp_path / "again.yaml")
    assert load_config(tmp_path / "again.yaml").config == config


@pytest.mark.parametrize("text", ["#1", " spaces ", "'quoted'", '"quoted"', "'2024.10'"])
def test_an_override_may_be_quoted_and_is_no_comment(tmp_path, text):
    config = load(tmp_path, "data: {}\n", f"model.model_name={text}")
    assert config.model.model_name == text.strip().strip("'\"")


@pytest.mark.parametrize("text", LIKE_OTHERS[:14])
def test_a_file_keeps_the_characters(tmp_path, text):
    content = (
        f"data:\n  csv_file: {text}\n  video_dir: {text} # why\nmodel: {{model_name: {text}}}\n"
    )
    config = load(tmp_path, content)
    assert (config.data.csv_file, config.data.video_dir, config.model.model_name) == (text,) * 3


@pytest.mark.parametrize(
    "content", ["data: {keypoint_names: [00, 01]}", "data:\n  keypoint_names:\n  - 00\n  - 01\n"]
)
def test_the_items_of_a_list_of_texts_keep_theirs(tmp_path, content):
    assert load(tmp_path, content).data.keypoint_names == ["00", "01"]
    config = load(tmp_path, "data: {}\n", "data.keypoint_names=[00, 1_0, 1e5, 0x10, 1:30]")
    assert config.data.keypoint_names == ["00", "1_0", "1e5", "0x10", "1:30"]
    config = load(tmp_path, "data: {}\n", "data.csv_file=[2024.10, 007]")
    assert config.data.csv_file == ["2024.10", "007"]
    config = load(tmp_path, "data: {}\n", "data={csv_file: 2024.10, keypoint_names: [007]}")
    assert (config.data.csv_file, config.data.keypoint_names) == ("2024.10", ["007"])


@pytest.mark.parametrize("word", ["yes", "no", "on", "off", "true", "False"])
def test_truth_values_for_a_text_are_refused(tmp_path, word):
    for text, overrides in (
        (f"model: {{model_name: {word}}}\n", ()),
        ("data: {}\n", (f"model.model_name={word}",)),
    ):
        with pytest.raises(ConfigError, match="put it in quotes"):
            load(tmp_path, text, *overrides)


@pytest.mark.parametrize("word", ["", "null", "~"])
def test_null_is_still_null(tmp_path, word):
    assert load(tmp_path, f"data: {{video_dir: {word}}}\n").data.video_dir is None
    assert load(tmp_path, "data: {video_dir: v}\n", f"data.video_dir={word}").data.video_dir is None


def test_what_yaml_takes_for_a_comment_is_asked_about(tmp_path):
    for content in ("data:\n  video_dir: #1\n", "data:\n  keypoint_names:\n  - #1\n  - a\n"):
        with pytest.raises(ConfigError, match="comment") as caught:
            load(tmp_path, content)
        assert "put it in quotes" in str(caught.value)
    config = load(tmp_path, "data:\n  video_dir: # none so far\n")
    assert config.data.video_dir is None


def test_numbers_are_still_numbers(tmp_path):
    config = load(tmp_path, "training: {max_epochs: 0x10}\n", "training.train_prob=1e-1")
    assert (config.training.max_epochs, config.training.train_prob) == (16, 0.1)
