"""Untrusted documents in YAML: every fault is told with its place, none does harm."""

import pytest

from lp_io.documents.yaml_documents import DocumentReader
from lp_io.errors import FileFormatError

READER = DocumentReader(
    FileFormatError, "config", "default.yaml", lambda path: path[-1] == "model_name"
)


def read(path):
    report = READER.read(path)
    report.raise_if_any(FileFormatError)
    return report.values


def refused(tmp_path, content: str | bytes) -> FileFormatError:
    path = tmp_path / "c.yaml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(FileFormatError) as caught:
        read(path)
    return caught.value


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileFormatError, match="no such config") as caught:
        read(tmp_path / "absent.yaml")
    assert caught.value.where == str(tmp_path / "absent.yaml")


def test_a_folder_is_no_config(tmp_path):
    with pytest.raises(FileFormatError, match="a folder"):
        read(tmp_path)


@pytest.mark.parametrize("content", ["", "\n\n", "# only a comment\n", "---\n"])
def test_an_empty_file_is_refused(tmp_path, content):
    error = refused(tmp_path, content)
    assert "empty" in error.problem or "not a mapping" in error.problem


@pytest.mark.parametrize(("content", "kind"), [("- a\n- b\n", "list"), ("hello\n", "single value")])
def test_a_file_without_sections_is_refused(tmp_path, content, kind):
    assert kind in refused(tmp_path, content).problem


def test_a_syntax_error_tells_line_and_column(tmp_path):
    error = refused(tmp_path, "data:\n  csv_file: [a, b\ntraining:\n  imgaug: dlc\n")
    assert "not valid YAML" in error.problem
    assert error.where == f"{tmp_path / 'c.yaml'}:3:9"


def test_a_tab_is_told(tmp_path):
    error = refused(tmp_path, "data:\n\tcsv_file: a\n")
    assert error.where is not None
    assert error.where.startswith(f"{tmp_path / 'c.yaml'}:2:")


def test_bytes_that_are_no_text_are_refused(tmp_path):
    assert "UTF-8" in refused(tmp_path, b"data:\n  csv_file: \xff\xfe\n").problem


def test_control_characters_are_refused(tmp_path):
    assert "not valid YAML" in refused(tmp_path, b"data:\n  csv_file: \x00\n").problem


def test_a_byte_order_mark_does_no_harm(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_bytes(b"\xef\xbb\xbfdata:\n  csv_file: mine.csv\n")
    assert read(path)["data"]["csv_file"] == "mine.csv"


def test_python_objects_are_never_made(tmp_path):
    target = tmp_path / "made"
    error = refused(tmp_path, f"data:\n  csv_file: !!python/object/apply:os.mkdir [{target}]\n")
    assert not target.exists()
    assert "c.yaml:2" in str(error)


def test_aliases_that_multiply_are_refused(tmp_path):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    assert "repeats itself" in refused(tmp_path, "\n".join(lines)).problem


def test_an_alias_of_itself_is_refused(tmp_path):
    assert "repeats itself" in refused(tmp_path, "data: &a\n  csv_file: *a\n").problem


def test_deep_nesting_is_refused(tmp_path):
    refused(tmp_path, "data: " + "[" * 20_000)


def test_a_huge_file_is_not_read(tmp_path):
    path = tmp_path / "c.yaml"
    with path.open("wb") as file:
        file.truncate(100 * 2**20)
    with pytest.raises(FileFormatError, match="too large"):
        read(path)


def test_a_key_given_twice_tells_both_lines(tmp_path):
    error = refused(tmp_path, "training:\n  imgaug: dlc\n  max_epochs: 3\n  imgaug: none\n")
    assert error.problem == "training.imgaug: given twice, first in line 2"
    assert error.where == f"{tmp_path / 'c.yaml'}:4"


def test_a_key_that_yaml_reads_as_a_truth_value_is_told(tmp_path):
    error = refused(tmp_path, "data:\n  no: 1\n")
    assert "'no' is not a name for a key" in error.problem
    assert error.where == f"{tmp_path / 'c.yaml'}:2"


def test_several_documents_in_one_file_are_refused(tmp_path):
    assert "not valid YAML" in refused(tmp_path, "data: {}\n---\ndata: {}\n").problem


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e-3", 1e-3), ("1E-3", 1e-3), (".001", 1e-3), ("1", 1), ("+2.5e1", 25.0)],
)
def test_numbers_are_read_as_people_write_them(tmp_path, text, value):
    path = tmp_path / "c.yaml"
    path.write_text(f"training: {{optimizer_params: {{learning_rate: {text}}}}}\n")
    assert read(path)["training"]["optimizer_params"]["learning_rate"] == value


def test_a_date_stays_text(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("model: {model_name: 2024-05-01}\n")
    assert read(path)["model"]["model_name"] == "2024-05-01"


def test_merged_keys_give_way_to_own_ones(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(
        "dali:\n  base:\n    train: &clip {sequence_length: 8}\n"
        "    predict:\n      <<: *clip\n"
        "training:\n  optimizer_params: &o {learning_rate: 0.1, weight_decay: 0.2}\n"
    )
    assert read(path)["dali"]["base"]["predict"]["sequence_length"] == 8
    path.write_text(
        "dali:\n  base:\n    train: &clip {sequence_length: 8}\n"
        "    predict:\n      <<: *clip\n      sequence_length: 9\n"
    )
    assert read(path)["dali"]["base"]["predict"]["sequence_length"] == 9
