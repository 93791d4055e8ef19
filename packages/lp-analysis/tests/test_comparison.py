"""Comparing models: which models, frames and keypoints, and what the intervals say."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import yaml
from rich.console import Console

from lp_analysis.comparison.compared_models import (
    chosen_frames,
    group_by_recipe,
    parse_groups,
    read_errors,
    with_common_frames,
    with_common_keypoints,
)
from lp_analysis.comparison.intervals import compare_groups
from lp_analysis.comparison.output import (
    comparison_figure,
    write_comparison_csv,
    write_comparison_plot,
)
from lp_analysis.errors import EvaluationError
from lp_analysis.metrics.metric_files import MetricTable, write_metric_file
from lp_analysis.terminal_tables import comparison_table

NAMES = ("nose", "tail")


def table(values, *, names=NAMES, images=None, sets=None):
    values = np.asarray(values, np.float64)
    images = images or tuple(f"img{row}.png" for row in range(len(values)))
    return MetricTable(tuple(names), tuple(images), values, sets)


def errors(rows, seed=0, scale=1.0):
    return table(np.random.default_rng(seed).gamma(2.0, scale, (rows, 2)))


def test_means_are_over_all_labelled_points_of_all_models():
    first, second = errors(20, 1), errors(20, 2)
    first.values[3, 0] = np.nan
    (group,) = compare_groups({"both": [first, second]}, resamples=100).groups
    points = np.concatenate([first.values, second.values])
    assert group.overall.mean == pytest.approx(np.nanmean(points))
    for interval, column in zip(group.per_keypoint, points.T, strict=True):
        assert interval.mean == pytest.approx(np.nanmean(column))
        assert interval.low < interval.mean < interval.high
    assert (group.models, group.frames, group.points) == (2, 20, 79)


def test_the_interval_of_one_model_is_that_of_a_mean_over_frames():
    rows = 400
    model = table(np.random.default_rng(0).normal(10.0, 2.0, (rows, 1)), names=("nose",))
    (group,) = compare_groups({"model": [model]}, resamples=4000).groups
    half = 1.96 * model.values.std() / np.sqrt(rows)
    assert group.overall.low == pytest.approx(model.values.mean() - half, abs=0.1 * half)
    assert group.overall.high == pytest.approx(model.values.mean() + half, abs=0.1 * half)


def test_seeds_widen_the_interval_even_where_frames_agree():
    low, high = table(np.full((30, 2), 1.0)), table(np.full((30, 2), 3.0))
    (group,) = compare_groups({"seeds": [low, high]}, resamples=500).groups
    assert (group.overall.low, group.overall.mean, group.overall.high) == (1.0, 2.0, 3.0)


def test_differences_are_paired_by_frame():
    hard = np.random.default_rng(0).gamma(1.0, 30.0, (50, 2))  # some frames are hard for any model
    comparison = compare_groups({"a": [table(hard)], "b": [table(hard + 1.0)]}, resamples=500)
    first, second = comparison.groups
    assert comparison.same_frames
    assert first.difference is None
    assert second.difference.low == pytest.approx(1.0)
    assert second.difference.high == pytest.approx(1.0)
    assert second.overall.low < first.overall.high  # which the two intervals do not tell


def test_a_group_is_as_uncertain_whatever_frames_others_are_judged_on():
    hard = np.random.default_rng(0).gamma(1.0, 30.0, (50, 2))
    seeds = [table(hard + 0.01 * seed) for seed in range(5)]
    elsewhere = table(hard, images=[f"other{row}.png" for row in range(50)])
    widths = []
    for other in (seeds[0], elsewhere):
        group = compare_groups({"seeds": seeds, "other": [other]}).groups[0].overall
        widths.append(group.high - group.low)
    assert widths[1] == pytest.approx(widths[0], rel=0.15)


def test_differences_are_paired_by_the_frames_that_are_common():
    hard = np.random.default_rng(0).gamma(1.0, 30.0, (60, 2))
    images = [f"img{row}.png" for row in range(60)]
    one, two = table(hard[:50], images=images[:50]), table(hard[10:], images=images[10:])
    apart = table(hard[10:], images=[f"other{image}" for image in images[10:]])
    widths = []
    for other in (two, apart):
        difference = compare_groups({"a": [one], "b": [other]}).groups[1].difference
        widths.append(difference.high - difference.low)
    assert widths[0] < 0.7 * widths[1]


def test_a_keypoint_without_labels_has_no_error():
    model = errors(10)
    model.values[:, 1] = np.nan
    (group,) = compare_groups({"m": [model]}, resamples=100).groups
    assert np.isnan(group.per_keypoint[1].mean)
    assert group.overall.mean == pytest.approx(model.values[:, 0].mean())


def test_the_same_seed_gives_the_same_intervals():
    groups = {"a": [errors(30, 1), errors(30, 2)]}
    first = compare_groups(groups, resamples=200, seed=5)
    assert first == compare_groups(groups, resamples=200, seed=5)
    assert first != compare_groups(groups, resamples=200, seed=6)


def test_only_frames_of_the_splits_asked_for_are_compared(tmp_path):
    sets = ("train", "validation", "test", "unused")
    whole = table(np.arange(8.0).reshape(4, 2), sets=sets)
    images = {
        choice: chosen_frames(whole, choice, tmp_path).index
        for choice in ("held-out", "validation", "train", "all")
    }
    assert images["held-out"] == ("img1.png", "img2.png")
    assert images["validation"] == ("img1.png",)
    assert images["train"] == ("img0.png",)
    assert images["all"] == whole.index
    with pytest.raises(EvaluationError, match="no test frames"):
        chosen_frames(table([[1.0, 2.0]], sets=("train",)), "test", tmp_path)
    with pytest.raises(EvaluationError, match="unknown choice 'held_out'") as caught:
        chosen_frames(whole, "held_out", tmp_path)
    assert "'held-out'" in caught.value.remedy


def test_common_frames_are_matched_by_their_name():
    first = table([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]], images=("a", "b", "c"))
    second = table([[30.0, 30.0], [20.0, 20.0]], images=("c", "b"))
    one, two = with_common_frames([first, second])
    assert one.index == two.index == ("b", "c")
    assert one.values[:, 0].tolist() == [2.0, 3.0]
    assert two.values[:, 0].tolist() == [20.0, 30.0]
    with pytest.raises(EvaluationError, match="no frame") as caught:
        with_common_frames([first, table([[1.0, 1.0]], images=("z",))])
    assert "--own-frames" in caught.value.remedy


def test_common_keypoints_are_matched_by_their_name():
    one, two = with_common_keypoints(
        [table([[1.0, 2.0]]), table([[30.0, 10.0]], names=("ear", "nose"))]
    )
    assert one.keypoint_names == two.keypoint_names == ("nose",)
    assert (one.values.item(), two.values.item()) == (1.0, 10.0)
    with pytest.raises(EvaluationError, match="no keypoint in common"):
        with_common_keypoints([table([[1.0, 2.0]]), table([[1.0]], names=("ear",))])


def model_dir(folder, **training):
    folder.mkdir(parents=True)
    config = {
        "data": {"data_dir": str(folder)},
        "training": training,
        "creation_datetime": folder.name,
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder


def test_models_whose_configs_differ_in_seeds_only_are_one_group(tmp_path):
    folders = [
        model_dir(tmp_path / f"small_seed{n}", max_epochs=10, rng_seed_model_pt=n) for n in range(2)
    ]
    long = model_dir(tmp_path / "long", max_epochs=20)
    unknown = tmp_path / "unknown"
    unknown.mkdir()
    groups = group_by_recipe([*folders, long, unknown])
    assert groups == {"small": folders, "long": [long], "unknown": [unknown]}


def test_groups_of_the_command_line(tmp_path):
    groups = parse_groups(["a=x,y", "b=z", "a=w"])
    assert {name: [str(p) for p in paths] for name, paths in groups.items()} == {
        "a": ["x", "y", "w"],
        "b": ["z"],
    }
    for text in ("a", "=x", "a="):
        with pytest.raises(EvaluationError, match="names no group"):
            parse_groups([text])


def test_what_cannot_be_compared_says_what_to_do(tmp_path):
    with pytest.raises(EvaluationError, match="no such model directory"):
        read_errors(tmp_path / "gone")
    with pytest.raises(EvaluationError, match=r"no predictions_pixel_error\.csv") as caught:
        read_errors(tmp_path)
    assert caught.value.remedy == f"litpose evaluate {tmp_path}"
    with pytest.raises(EvaluationError, match="unknown choice 'old'"):
        read_errors(tmp_path, "old")
    write_metric_file(errors(3), tmp_path / "predictions_new_pixel_error.csv")
    assert len(read_errors(tmp_path, "new").index) == 3


@pytest.mark.parametrize(
    ("models", "told"),
    [((1, 1), "over frames"), ((2, 2), "over seeds and frames"), ((2, 1), "several models")],
)
def test_titles_say_what_the_intervals_are_over(models, told):
    groups = {
        f"group {number}": [errors(9, seed) for seed in range(count)]
        for number, count in enumerate(models)
    }
    comparison = compare_groups(groups, resamples=100)
    title = comparison_figure(comparison).axes[0].get_title(loc="left")
    assert title.endswith(told) or told in title
    assert str(comparison_table(comparison).title).endswith(title.split("intervals ")[1])
    assert ("seeds" in title) == (max(models) > 1)


def test_output_holds_the_numbers(tmp_path):
    comparison = compare_groups(
        {"a [bold]": [errors(30, 1), errors(30, 2)], "b": [errors(30, 3, 2.0)]}, resamples=200
    )
    write_comparison_csv(comparison, tmp_path / "c.csv")
    rows = list(csv.DictReader((tmp_path / "c.csv").open()))
    assert [(row["group"], row["keypoint"]) for row in rows] == [
        (group, name) for group in ("a [bold]", "b") for name in (*NAMES, "all keypoints")
    ]
    assert [int(row["points"]) for row in rows] == [60, 60, 120, 30, 30, 60]
    assert float(rows[2]["low"]) == pytest.approx(comparison.groups[0].overall.low, abs=1e-4)
    console = Console(width=100, record=True, file=(tmp_path / "out").open("w"))
    console.print(comparison_table(comparison))
    text = console.export_text()
    gap = comparison.groups[1].difference
    assert "a [bold]" in text
    assert f"{gap.mean:+.2f} [{gap.low:+.2f}, {gap.high:+.2f}]" in text
    write_comparison_plot(comparison, tmp_path / "c.png")
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
