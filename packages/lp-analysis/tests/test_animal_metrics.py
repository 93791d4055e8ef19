"""Metrics of several animals: agreement with pycocotools and trackeval, and what any scorer has."""

from __future__ import annotations

import contextlib
import csv
import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from lp_analysis.errors import EvaluationError
from lp_analysis.metrics.animal_files import (
    metrics_dict,
    read_video_tables,
    write_animal_metrics,
)
from lp_analysis.metrics.animals import (
    CONTACT,
    AnimalOptions,
    VideoTables,
    contact_levels,
    evaluate_animals,
    nearest_distances,
)
from lp_analysis.metrics.average_precision import (
    RankedPredictions,
    average_precision,
    rank_predictions,
)
from lp_analysis.metrics.bootstrap import Interval, interval, sums
from lp_analysis.metrics.frame_metrics import pixel_error
from lp_analysis.metrics.identities import IdentityCounts, count_identities
from lp_analysis.metrics.oks import COCO_SIGMA, animal_areas, body_length, label_sigmas, oks
from lp_analysis.metrics.paired_frames import Regions, pair_frames, row_scores
from lp_analysis.metrics.summary import PixelErrorSummary
from lp_core.poses import PoseTable, Skeleton, Visibility, concatenate, write_pose_csv
from lp_io import strict_json

K = 5
SKELETON = Skeleton(tuple("abcde"))
SIGMAS = np.array([0.03, 0.05, 0.07, 0.09, 0.11])
few = settings(deadline=None, max_examples=15)
seeds = st.integers(0, 2**32 - 1)


def scene(seed, frames=8, animals=3, noise=4.0, extra=1.0, missed=0.2, swap=0.2, room=120.0):
    """Truth with hidden keypoints and named animals, and predictions with all kinds of errors."""
    random = np.random.default_rng(seed)
    truth, codes, t_frame, t_name, rows, score, frame, name = [], [], [], [], [], [], [], []
    body = random.normal(0, 15, (K, 2))
    names = [f"mouse{n}" for n in range(animals)]
    tracks = [f"track{n}" for n in range(animals)]
    for number in range(frames):
        if random.random() < swap:
            tracks = list(random.permutation(tracks))
        for place in range(random.integers(0, animals + 1)):
            points = random.uniform(0, room, 2) + body + random.normal(0, 2, (K, 2))
            visible = random.choice([0, 1, 2], K, p=[0.2, 0.2, 0.6]).astype(np.int8)
            visible[0] = 2
            truth.append(points)
            codes.append(visible)
            t_frame.append(number)
            t_name.append(names[place])
            if random.random() > missed:
                rows.append(points + random.normal(0, noise * random.random(), (K, 2)))
                frame.append(number)
                name.append(tracks[place])
        for place in range(random.poisson(extra)):
            rows.append(random.uniform(0, room, 2) + random.normal(0, 15, (K, 2)))
            frame.append(number)
            name.append(f"extra{place}")
    score = random.permutation(len(rows)) / max(len(rows), 1) + 0.001
    points = np.array(truth).reshape(-1, K, 2)
    return PoseTable(
        SKELETON, points, tuple(t_frame), individual=tuple(t_name),
        visibility=np.array(codes, np.int8).reshape(-1, K),
    ), PoseTable(
        SKELETON, np.array(rows).reshape(-1, K, 2), tuple(frame), individual=tuple(map(str, name)),
        score=score,
    )  # fmt: skip


def shuffled(table, seed):
    return table.rows(np.random.default_rng(seed).permutation(len(table)))


def pycocotools_stats(truth, predicted, regions, sigmas=SIGMAS, max_detections=20):
    """AP, AP50, AP75 and AR as pycocotools computes them; -1 where they are not defined."""
    images = sorted({*truth.frame, *predicted.frame})
    labels = []
    for row in range(len(truth)):
        visible = truth.codes[row]
        xy = np.where(visible[:, None] > 0, truth.points[row], 0)
        crowd = regions.ignored is not None and bool(regions.ignored[row])
        labels.append({
            "id": row + 1, "image_id": truth.frame[row] + 1, "category_id": 1,
            "keypoints": np.column_stack([xy, visible]).ravel().tolist(),
            "num_keypoints": int((visible > 0).sum()), "iscrowd": int(crowd),
            "area": float(regions.areas[row]), "bbox": regions.boxes[row].tolist(),
        })  # fmt: skip
    results = [{
        "image_id": predicted.frame[row] + 1, "category_id": 1,
        "score": float(predicted.score[row]),
        "keypoints": np.column_stack([predicted.points[row], np.ones(K)]).ravel().tolist(),
    } for row in range(len(predicted))]  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "images": [{"id": image + 1} for image in images],
            "categories": [{"id": 1, "name": "mouse"}], "annotations": labels,
        }  # fmt: skip
        coco.createIndex()
        judge = COCOeval(coco, coco.loadRes(results), "keypoints")
        judge.params.kpt_oks_sigmas = sigmas
        judge.params.maxDets = [max_detections]
        judge.params.areaRng, judge.params.areaRngLbl = [[0, 1e10]], ["all"]
        judge.evaluate()
        judge.accumulate()
    precision, recall = judge.eval["precision"][..., 0, 0, 0], judge.eval["recall"][:, 0, 0, 0]
    return precision.mean(), precision[0].mean(), precision[5].mean(), recall.mean()


def annotated(truth, seed):
    """Areas, boxes and crowds; rows of crowds may have no keypoint, as in COCO."""
    random = np.random.default_rng(seed)
    boxes = np.column_stack([truth.points.min(axis=1), np.ptp(truth.points, axis=1)])
    return Regions(
        areas=random.uniform(0.3, 1, len(truth)) * boxes[:, 2:].prod(axis=1),
        boxes=boxes,
        ignored=random.random(len(truth)) < 0.15,
    )


@few
@given(seed=seeds, kept=st.sampled_from([1, 2, 3, 20]), empty=st.booleans())
def test_ap_and_ar_are_those_of_pycocotools(seed, kept, empty):
    truth, predicted = scene(seed, frames=12, animals=4, extra=2.0)
    if not len(truth) or not len(predicted):
        return
    regions = annotated(truth, seed)
    if empty:  # an animal of which only the box is annotated
        truth.visibility[::3] = Visibility.UNLABELED
    listed = [frame in truth.frame for frame in predicted.frame]
    ours = average_precision(
        [pair_frames(truth, predicted, sigmas=SIGMAS, regions=regions)], max_detections=kept
    )
    expected = pycocotools_stats(
        truth, predicted.rows(np.flatnonzero(listed)), regions, max_detections=kept
    )
    got = np.nan_to_num([ours.ap, ours.at(0.5), ours.at(0.75), ours.ar], nan=-1)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-6)


def test_ap_is_that_of_pycocotools_where_scores_are_equal():
    truth, predicted = scene(3, frames=30, animals=4, extra=0.5)
    listed = np.flatnonzero([frame in truth.frame for frame in predicted.frame])
    predicted = predicted.rows(listed)
    predicted.score[:] = np.round(predicted.score, 1)
    regions = annotated(truth, 3)
    frames = pair_frames(truth, predicted, sigmas=SIGMAS, regions=regions)
    ours = average_precision([frames])
    # equal scores keep the order of the file there, and the order of `PairedFrames` here
    expected = pycocotools_stats(truth, frames.predicted, regions)
    np.testing.assert_allclose([ours.ap, ours.at(0.5), ours.at(0.75), ours.ar], expected, atol=1e-6)
    assert 0.1 < ours.ap < 0.9


def table(points, frame=None, **fields):
    points = np.asarray(points, float)
    names = Skeleton(tuple("abcdefghij"[: points.shape[1]]))
    return PoseTable(names, points, tuple(frame or [0] * len(points)), **fields)


def test_a_prediction_whose_best_animal_is_taken_may_find_its_second_best():
    """F10: similarities [[.9, .6], [.8, .7]] match both, for AP and for counts."""
    line = np.array([[0.0, 0.0], [100.0, 0.0]])
    frames = pair_frames(table([line, line]), table([line, line], score=np.array([0.9, 0.5])))
    frames = replace(frames, similarity=np.array([0.9, 0.8, 0.6, 0.7]))  # by truth, then prediction
    assert frames.matches().tolist() == [0, 1]
    assert average_precision([frames]).at(0.5) == 1.0


def test_junk_predictions_lower_ap():
    """F11: predictions that match nothing count."""
    truth, predicted = scene(11, frames=20, extra=0.0)
    junk = table(np.full((100, K, 2), 1e4) + np.arange(100)[:, None, None], [0, 1, 2, 3] * 25)
    more = concatenate([
        predicted,
        PoseTable(SKELETON, junk.points, junk.frame, individual=(None,) * 100, score=np.ones(100)),
    ])  # fmt: skip
    before = average_precision([pair_frames(truth, predicted)])
    after = average_precision([pair_frames(truth, more)])
    assert 0 < after.ap < before.ap
    assert after.ar <= before.ar


def test_frames_without_a_prediction_are_missed():
    """F12: labelled frames without predictions count."""
    truth, predicted = scene(12)
    nothing = average_precision([pair_frames(truth, predicted.rows([]))])
    assert (nothing.ap, nothing.ar) == (0.0, 0.0)
    kept = [row for row, frame in enumerate(predicted.frame) if frame != predicted.frame[0]]
    fewer = average_precision([pair_frames(truth, predicted.rows(kept))])
    assert fewer.ar < average_precision([pair_frames(truth, predicted)]).ar


def test_without_an_animal_to_find_ap_is_not_defined():
    """F38: nothing is divided by zero animals."""
    _, predicted = scene(13)
    empty_frames = table(np.full((2, K, 2), np.nan), [0, 1])
    for found in (predicted, predicted.rows([])):
        result = average_precision([pair_frames(empty_frames, found)])
        assert np.isnan([result.ap, result.at(0.5), result.ar]).all()
        assert len(pair_frames(empty_frames, found).matches()) == 0


def test_predictions_of_frames_that_are_not_labelled_are_not_judged():
    truth, _ = scene(14)
    perfect = PoseTable(SKELETON, truth.points, truth.frame, score=np.ones(len(truth)))
    elsewhere = PoseTable(
        SKELETON, truth.points, tuple(f + 100 for f in truth.frame), score=np.ones(len(truth))
    )
    assert average_precision([pair_frames(truth, concatenate([perfect, elsewhere]))]).ap == 1.0


def test_a_frame_stated_as_empty_makes_its_predictions_false():
    truth, _ = scene(15)
    perfect = PoseTable(SKELETON, truth.points, truth.frame, score=np.ones(len(truth)))
    found = table(truth.points[:1], [99], score=np.array([2.0]))
    stated = concatenate([truth, table(np.full((1, K, 2), np.nan), [99])])
    both = concatenate([perfect, found])
    assert average_precision([pair_frames(truth, both)]).ap == 1.0
    assert average_precision([pair_frames(stated, both)]).ap < 1.0


@few
@given(seed=seeds)
def test_perfect_predictions_have_ap_1(seed):
    truth, _ = scene(seed)
    perfect = PoseTable(SKELETON, truth.points, truth.frame, score=np.ones(len(truth)))
    result = average_precision([pair_frames(truth, perfect)])
    if len(truth):
        assert (result.ap, result.ar) == (1.0, 1.0)


@few
@given(seed=seeds, tied=st.booleans())
def test_the_order_of_rows_changes_nothing(seed, tied):
    truth, predicted = scene(seed)
    if tied:
        predicted.score[:] = np.round(predicted.score, 1)
    one = pair_frames(truth, predicted)
    other = pair_frames(shuffled(truth, seed), shuffled(predicted, seed + 1))
    np.testing.assert_array_equal(one.similarity, other.similarity)
    a, b = average_precision([one]), average_precision([other])
    np.testing.assert_array_equal(a.precision, b.precision)
    np.testing.assert_array_equal(a.recall, b.recall)


@few
@given(seed=seeds, angle=st.floats(0, 360), straight=st.booleans())
def test_turning_the_scene_leaves_similarities_as_they_are(seed, angle, straight):
    """F36, F34: a straight animal along an axis is as good as one that lies askew."""
    truth, predicted = scene(seed, missed=0.0)
    if straight:
        truth.points[..., 1] = truth.points[:, :1, 1]
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    turn = np.array([[cos, sin], [-sin, cos]])
    before = pair_frames(truth, predicted)
    after = pair_frames(
        replace(truth, points=truth.points @ turn),
        replace(predicted, points=predicted.points @ turn),
    )
    np.testing.assert_allclose(
        sorted(before.similarity), sorted(after.similarity), rtol=1e-6, atol=1e-12
    )


def test_a_straight_animal_is_found_by_a_prediction_a_few_pixels_off():
    """F36: the box of its keypoints has no area."""
    line = np.column_stack([np.linspace(0, 100, K), np.zeros(K)])
    frames = pair_frames(table([line]), table([line + 2.0], score=np.ones(1)))
    assert frames.similarity[0] > 0.8


def test_similarity_follows_the_formula_of_coco():
    truth = np.array([[[0.0, 0.0], [10.0, 0.0], [np.nan, np.nan]]])
    predicted = np.array([[[3.0, 4.0], [np.nan, np.nan], [5.0, 5.0]]])
    value = oks(truth, predicted, np.array([400.0]), np.array([0.1, 0.1, 0.1]))
    np.testing.assert_allclose(value, [np.exp(-25 / (2 * 400 * 0.2**2)) / 2])


def test_tolerances_are_told_by_repeated_labels():
    random = np.random.default_rng(0)
    areas = random.uniform(500, 5000, 4000)
    true = random.uniform(0, 100, (4000, K, 2))
    spread = SIGMAS[None, :, None] * np.sqrt(areas)[:, None, None] / np.sqrt(2)
    labels = true + spread * random.normal(size=(2, 4000, K, 2))
    labels[1, 0, 0] = np.nan
    np.testing.assert_allclose(label_sigmas(labels, areas), SIGMAS, rtol=0.05)


def test_an_animal_seen_in_part_keeps_a_size_to_match_it_by():
    whole = np.random.default_rng(0).uniform(0, 50, (9, K, 2))
    part = np.full((1, K, 2), np.nan)
    part[0, 0] = 10.0
    areas = animal_areas(np.concatenate([whole, part]))
    assert areas[-1] == pytest.approx(np.median(areas[:-1]))
    assert body_length(np.concatenate([whole, part])) == body_length(whole)
    assert (animal_areas(part, length=50.0) == 500.0).all()
    assert COCO_SIGMA == 0.072


def test_tables_that_cannot_be_compared_are_told_so():
    truth, predicted = scene(1)
    images = replace(predicted, frame=tuple(f"{frame}.png" for frame in predicted.frame))
    unranked = replace(predicted, score=None)
    other = PoseTable(Skeleton(tuple("abcdz")), predicted.points, predicted.frame)
    points = PoseTable(Skeleton(("a",)), truth.points[:, :1], truth.frame)
    with pytest.raises(EvaluationError, match="neither a score nor confidences"):
        average_precision([pair_frames(truth, unranked)])
    for labels, found, words in (
        (truth, images, "images, and the other of the frame numbers"),
        (truth, other, "no prediction of the keypoint 'e'"),
        (points, predicted, "no animal has two labelled keypoints"),
    ):
        with pytest.raises(EvaluationError, match=words):
            pair_frames(labels, found)
    with pytest.raises(EvaluationError, match="3 tolerances do not go with 5 keypoints"):
        pair_frames(truth, predicted, sigmas=(0.1, 0.1, 0.1))
    with pytest.raises(EvaluationError, match="no video"):
        evaluate_animals({})
    with pytest.raises(EvaluationError, match="same labelled keypoints"):
        evaluate_animals({"a": VideoTables(truth, predicted), "b": VideoTables(points, predicted)})


def test_an_animal_is_as_certain_as_its_keypoints_where_it_has_no_score():
    found = table(np.zeros((2, 2, 2)), score=np.array([np.nan, 0.3]))
    found = replace(found, confidence=np.array([[0.5, 0.7], [1.0, 1.0]]))
    np.testing.assert_allclose(row_scores(found), [0.6, 0.3])


def test_keypoints_of_the_scene_are_not_an_animal():
    truth, predicted = scene(2)
    scenery = PoseTable(SKELETON, truth.points[:1], truth.frame[:1], individual=("single",))
    frames = pair_frames(concatenate([truth, scenery]), concatenate([predicted, scenery]))
    assert len(frames.truth) == len(truth)
    assert "single" not in frames.predicted.individual


def trackeval_results(frames):
    """What trackeval says of one video: the fields of its three metrics."""
    from trackeval.metrics import CLEAR, HOTA, Identity

    def numbers(table):
        names = [(row, None) if n is None else n for row, n in enumerate(table.individual)]
        known = {name: number for number, name in enumerate(dict.fromkeys(names))}
        return np.array([known[name] for name in names], int), len(known)

    (truth, truths), (found, tracks) = numbers(frames.truth), numbers(frames.predicted)
    matrices = {n: matrix for n, _, matrix in frames.matrices(frames.similarity)}
    steps = range(len(frames.frames))
    rows = [np.flatnonzero(frames.truth_frame == step) for step in steps]
    columns = [np.flatnonzero(frames.predicted_frame == step) for step in steps]
    data = {
        "num_timesteps": len(steps), "num_gt_ids": truths, "num_tracker_ids": tracks,
        "num_gt_dets": len(truth), "num_tracker_dets": len(found),
        "gt_ids": [truth[some] for some in rows], "tracker_ids": [found[some] for some in columns],
        "similarity_scores": [
            matrices.get(step, np.zeros((len(rows[step]), len(columns[step])))) for step in steps
        ],
    }  # fmt: skip
    quiet = {"PRINT_CONFIG": False}
    judges = {"HOTA": HOTA(), "CLEAR": CLEAR(quiet), "Identity": Identity(quiet)}
    return {name: judge.eval_sequence(data) for name, judge in judges.items()}, judges


_TRACKEVAL = {
    "IDF1": ("Identity", "IDF1"), "IDP": ("Identity", "IDP"), "IDR": ("Identity", "IDR"),
    "MOTA": ("CLEAR", "MOTA"), "switches": ("CLEAR", "IDSW"), "fragments": ("CLEAR", "Frag"),
    "HOTA": ("HOTA", "HOTA"), "DetA": ("HOTA", "DetA"), "AssA": ("HOTA", "AssA"),
}  # fmt: skip


@few
@given(
    seed=seeds,
    missed=st.sampled_from([0.0, 0.2, 1.0]),
    untracked=st.booleans(),
    room=st.sampled_from([120.0, 8.0]),  # in little room animals may be confused
)
def test_identities_are_those_of_trackeval(seed, missed, untracked, room):
    truth, predicted = scene(seed, frames=25, animals=4, missed=missed, room=room)
    if untracked:
        names = [None if row % 7 == 0 else name for row, name in enumerate(predicted.individual)]
        predicted = replace(predicted, individual=tuple(names))
    frames = pair_frames(truth, predicted)
    ours = count_identities(frames).metrics()
    theirs, _ = trackeval_results(frames)
    for name, (judge, field) in _TRACKEVAL.items():
        np.testing.assert_allclose(
            np.nan_to_num(ours[name][0]), np.mean(theirs[judge][field]), atol=1e-6, err_msg=name
        )
    for values, field in zip(
        count_identities(frames).hota(), ("HOTA", "DetA", "AssA"), strict=True
    ):
        np.testing.assert_allclose(np.nan_to_num(values[0]), theirs["HOTA"][field], atol=1e-6)


def test_identities_of_several_videos_are_those_of_trackeval():
    videos = [pair_frames(*scene(seed, frames=20)) for seed in (1, 2, 3)]
    results = [trackeval_results(frames) for frames in videos]
    counts = [count_identities(frames) for frames in videos]
    pooled = IdentityCounts(*sums(counts, np.ones((1, 3)))).metrics()
    judges = results[0][1]
    for name, (judge, field) in _TRACKEVAL.items():
        one_by_one = {str(n): result[judge] for n, (result, _) in enumerate(results)}
        expected = judges[judge].combine_sequences(one_by_one)[field]
        np.testing.assert_allclose(pooled[name][0], np.mean(expected), atol=1e-6, err_msg=name)


def walk(tracks, frames=10, apart=200.0):
    """Truth of animals that stand still, and predictions on them: a track of each per frame."""
    body = np.random.default_rng(0).normal(0, 15, (K, 2))
    truth, found = [], []
    for frame in range(frames):
        for place in range(len(tracks)):
            truth.append((body + place * apart, frame, f"mouse{place}"))
            name = tracks[place][frame]
            if name != ".":
                found.append((body + place * apart, frame, name))
    return (
        PoseTable(SKELETON, np.array([p for p, _, _ in rows]).reshape(-1, K, 2),
                  tuple(f for _, f, _ in rows), individual=tuple(n for _, _, n in rows),
                  score=np.ones(len(rows)))
        for rows in (truth, found)
    )  # fmt: skip


@pytest.mark.parametrize(
    ("tracks", "switches", "fragments", "losses"),
    [
        (("aaaaaaaaaa", "bbbbbbbbbb"), 0, 0, 0),
        (("aaaaabbbbb", "bbbbbaaaaa"), 2, 0, 0),
        (("aaa...aaaa", "bbbbbbbbbb"), 0, 1, 1),
        (("aaa...cccc", "bbbbbbbbbb"), 1, 1, 1),
        (("aaa.......", "bbbbbbbbbb"), 0, 0, 1),
        (("aaa...aaaa",), 0, 0, 1),  # as in trackeval, frames without a prediction do not fragment
    ],
)
def test_switches_fragments_and_losses_are_counted(tracks, switches, fragments, losses):
    counts = count_identities(pair_frames(*walk(tracks)), fps=4.0)
    assert (counts.switches, counts.fragments, counts.losses) == (switches, fragments, losses)
    metrics = counts.metrics()
    assert metrics["switches_per_minute"] == pytest.approx(switches / (10 / 4 / 60))
    matched = 10 * len(tracks) - sum(track.count(".") for track in tracks)
    assert metrics["seconds_between_errors"] == matched / 4 / max(switches + losses, 1)


def test_every_frame_of_a_sparsely_labelled_video_stands_for_its_share_of_time():
    truth, found = walk(("aaaaa", "bbbbb"), frames=5)
    sparse = [replace(t, frame=tuple(30 * f for f in t.frame)) for t in (truth, found)]
    assert count_identities(pair_frames(*sparse), fps=10.0).seconds == pytest.approx(12.1)
    assert np.isnan(count_identities(pair_frames(truth, found)).seconds)


@few
@given(seed=seeds)
def test_neither_names_nor_the_order_of_rows_change_identities(seed):
    truth, predicted = scene(seed, frames=15)
    other = shuffled(predicted, seed)
    other = replace(other, individual=tuple(f"x{hash(n) % 10**9}" for n in other.individual))
    before = count_identities(pair_frames(truth, predicted), fps=30.0)
    after = count_identities(pair_frames(shuffled(truth, seed), other), fps=30.0)
    for one, two in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, two)


@few
@given(seed=seeds)
def test_perfect_tracks_have_identities_of_1(seed):
    truth, _ = scene(seed)
    metrics = count_identities(
        pair_frames(truth, replace(truth, score=np.ones(len(truth))))
    ).metrics()
    if len(truth):
        assert all(metrics[n] == 1 for n in ("IDF1", "IDP", "IDR", "MOTA", "HOTA", "DetA", "AssA"))
        assert metrics["switches"] == 0


def test_identities_of_nothing_are_defined():
    truth, predicted = scene(1)
    nobody = replace(truth.rows([]), score=np.zeros(0))
    empty_frames = PoseTable(
        SKELETON, np.full((9, K, 2), np.nan), tuple(range(9)), individual=(None,) * 9
    )
    missed = count_identities(pair_frames(truth, nobody)).metrics()
    assert (missed["IDF1"], missed["IDR"], missed["HOTA"], missed["MOTA"]) == (0, 0, 0, 0)
    false = count_identities(pair_frames(empty_frames, predicted)).metrics()
    assert (false["IDF1"], false["IDP"], false["HOTA"]) == (0, 0, 0)
    nothing = count_identities(pair_frames(empty_frames, nobody)).metrics()
    assert np.isnan([nothing[name] for name in ("IDF1", "IDP", "IDR", "MOTA", "HOTA")]).all()
    assert nothing["switches"] == 0
    assert np.isnan([missed["IDP"], false["IDR"]]).all()


def test_one_animal_without_a_name_is_one_track():
    truth, _ = scene(1, animals=1)
    table = replace(truth, individual=None, score=np.ones(len(truth)))
    assert count_identities(pair_frames(table, table)).metrics()["IDF1"] == 1


def test_individuals_that_cannot_be_told_apart_are_refused():
    truth, predicted = walk(("aa", "bb"), frames=2)
    frames = pair_frames(truth, replace(predicted, individual=None))
    with pytest.raises(EvaluationError, match="several predicted animals without"):
        count_identities(frames)
    twins = replace(truth, individual=("mouse0",) * 4)
    with pytest.raises(
        EvaluationError, match="labelled individual 'mouse0' is there twice in frame 0"
    ):
        count_identities(pair_frames(twins, predicted))


def test_animals_in_a_crowd_are_neither_missed_nor_false():
    truth, predicted = walk(("aa", "bb", "cc"), frames=2)
    crowd = np.array([name == "mouse1" for name in truth.individual])
    frames = pair_frames(truth, predicted, regions=Regions(ignored=crowd))
    counts = count_identities(frames)
    assert (counts.tp, counts.fp, counts.fn) == (4, 0, 0)
    missing = pair_frames(truth, predicted.rows([0, 3]), regions=Regions(ignored=crowd))
    counts = count_identities(missing)
    assert (counts.tp, counts.fp, counts.fn) == (2, 0, 2)


def test_an_animal_in_front_of_a_crowd_is_found():
    truth, predicted = walk(("aa", "bb"), frames=2, apart=0.0)
    crowd = np.array([name == "mouse1" for name in truth.individual])
    one = predicted.rows([0, 2])
    counts = count_identities(pair_frames(truth, one, regions=Regions(ignored=crowd)))
    assert (counts.tp, counts.fp, counts.fn) == (2, 0, 0)


def evaluated(truth, predicted, **options):
    return evaluate_animals({"video": VideoTables(truth, predicted)}, AnimalOptions(**options))


def value(metrics, name, level="all"):
    return metrics.values[level][name].mean


def test_missed_and_false_animals_and_pixel_errors_are_told_per_frame():
    """F37: what is a mean distance is called a pixel error, not RMSE."""
    truth, predicted = walk(("aaaa", "bb.."), frames=4)
    predicted.points[0] += [3.0, 4.0]
    away = PoseTable(
        SKELETON, predicted.points[:1] + 900, (0,), individual=("c",), score=np.ones(1)
    )
    metrics = evaluated(truth, concatenate([predicted, away]))
    assert value(metrics, "animals") == 8
    assert value(metrics, "found") == 6 / 8
    assert value(metrics, "missed_per_frame") == 2 / 4
    assert value(metrics, "false_per_frame") == 1 / 4
    assert value(metrics, "pixel_error") == pytest.approx(5 / 6)
    assert value(metrics, "PCK@0.2") == 6 / 8
    close = 5.0 / body_length(truth.points) + 1e-9
    assert value(evaluated(truth, predicted, pck=(close, 0.99 * close)), f"PCK@{close:g}") == 6 / 8
    assert value(evaluated(truth, predicted, pck=(0.99 * close,)), f"PCK@{0.99 * close:g}") == 5 / 8


def test_one_animal_has_the_pixel_errors_it_always_had():
    random = np.random.default_rng(0)
    points = random.uniform(0, 100, (20, K, 2))
    points[random.random((20, K)) < 0.2] = np.nan
    found = points + random.normal(0, 2, points.shape)
    truth = PoseTable(SKELETON, points, tuple(range(20)))
    predicted = PoseTable(SKELETON, found, tuple(range(20)), confidence=np.full((20, K), 0.9))
    metrics = evaluated(truth, predicted)
    errors = pixel_error(points, found)
    expected = PixelErrorSummary.from_errors(errors, SKELETON.names, ["all"] * 20)
    assert metrics.pixel_errors.overall["all"] == expected.overall["all"]
    assert metrics.pixel_errors.per_keypoint["all"] == expected.per_keypoint["all"]
    assert value(metrics, "pixel_error") == pytest.approx(np.nanmean(errors))
    assert value(metrics, "IDF1") == 1.0
    assert metrics.values["near"]["AP"].mean != metrics.values["near"]["AP"].mean  # none is near


def test_contact_levels_are_told_by_the_distance_of_keypoints_in_body_lengths():
    body = np.column_stack([np.linspace(0, 10, K), np.zeros(K)])  # 10 px long
    gaps = [(0, 1.9), (1, 2.1), (2, 9.9), (3, 10.1)]
    truth = table(
        [body + np.array([0, gap * side]) for _, gap in gaps for side in (0, 1)],
        [frame for frame, _ in gaps for _ in (0, 1)],
        individual=("a", "b") * 4,
    )
    frames = pair_frames(truth, replace(truth, score=np.ones(8)))
    levels = contact_levels(nearest_distances(frames) / 10, AnimalOptions())
    assert [CONTACT[level] for level in levels] == [
        *["touching"] * 2, *["near"] * 4, *["apart"] * 2
    ]  # fmt: skip
    only = pair_frames(truth.rows([0]), truth.rows([0, 1]).rows([]))
    assert nearest_distances(only).tolist() == [np.inf]


@few
@given(seed=seeds)
def test_contact_levels_share_out_animals_and_errors(seed):
    truth, predicted = scene(seed, frames=20, room=80.0)
    metrics = evaluated(truth, predicted)
    for count in ("animals", "switches"):
        parts = [value(metrics, count, level) for level in CONTACT[1:]]
        assert sum(parts) == value(metrics, count)
    assert value(metrics, "switches") == metrics.values["all"]["switches"].mean
    shares = np.nan_to_num([value(metrics, "found", level) for level in CONTACT])
    found = shares * [value(metrics, "animals", level) for level in CONTACT]
    assert found[0] == pytest.approx(sum(found[1:]))
    assert sum(
        metrics.pixel_errors.frames.get(level, 0) for level in CONTACT[1:]
    ) == metrics.pixel_errors.frames.get("all", 0)


def test_a_tracker_that_fails_at_contact_is_told_so_by_level():
    body = np.random.default_rng(0).normal(0, 15, (K, 2))
    rows = [(body + np.array([gap * side, 0]), frame, f"m{side}")
            for frame, gap in enumerate([5.0, 5.0, 900.0, 900.0]) for side in (0, 1)]  # fmt: skip
    truth = PoseTable(SKELETON, np.array([p for p, _, _ in rows]), tuple(f for _, f, _ in rows),
                      individual=tuple(n for _, _, n in rows))  # fmt: skip
    predicted = replace(truth, score=np.ones(8)).rows([0, 2, 4, 5, 6, 7])
    metrics = evaluated(truth, predicted)
    assert value(metrics, "AP", "apart") == 1.0
    assert value(metrics, "found", "touching") == 0.5
    assert value(metrics, "AR", "touching") == 0.5
    assert value(metrics, "AP", "touching") < value(metrics, "AP") < 1.0
    # a false animal between the two that touch is of that level, and of no other
    junk = PoseTable(SKELETON, truth.points[:1] + 60.0, (0,), individual=("c",), score=np.ones(1))
    metrics = evaluated(truth, concatenate([junk, replace(truth, score=np.ones(8))]))
    assert value(metrics, "AP", "touching") < 1.0 == value(metrics, "AP", "apart")
    assert value(metrics, "false_per_frame", "touching") == 1 / 2


@few
@given(seed=seeds)
def test_perfect_tables_have_perfect_metrics(seed):
    truth, _ = scene(seed)
    metrics = evaluated(truth, replace(truth, score=np.ones(len(truth))))
    if len(truth):
        for name in (
            "AP",
            "AP50",
            "AP75",
            "AR",
            "found",
            "visible_found",
            "PCK@0.05",
            "IDF1",
            "HOTA",
        ):
            assert value(metrics, name) == 1.0
        for name in ("missed_per_frame", "false_per_frame", "pixel_error", "switches"):
            assert value(metrics, name) == 0.0


@pytest.mark.parametrize("truth_there", [True, False])
@pytest.mark.parametrize("predicted_there", [True, False])
def test_tables_without_animals_have_defined_metrics(truth_there, predicted_there):
    truth, predicted = scene(1)
    if not truth_there:
        blank = np.full((8, K, 2), np.nan)
        truth = PoseTable(SKELETON, blank, tuple(range(8)), individual=(None,) * 8)
    metrics = evaluated(truth, predicted if predicted_there else predicted.rows([]))
    undefined = {name for name, cell in metrics.values["all"].items() if np.isnan(cell.mean)}
    times = {"switches_per_minute", "seconds_between_errors"}  # without the frames per second
    errors = {"pixel_error", "visible_pixel_error"}
    shares = {"AP", "AP50", "AP75", "AR", "found", "visible_found", "IDR", "MOTA"}
    shares |= {f"PCK@{at:g}" for at in AnimalOptions().pck}
    assert (
        undefined
        == {
            (True, True): times,
            (True, False): times | errors | {"IDP"},
            (False, True): times | errors | shares,
            (False, False): times | errors | shares | {"IDF1", "IDP", "HOTA", "DetA", "AssA"},
        }[truth_there, predicted_there]
    )


def test_intervals_are_over_videos():
    videos = {str(seed): VideoTables(*scene(seed, frames=15, room=400.0)) for seed in range(6)}
    metrics = evaluate_animals(videos, AnimalOptions(resamples=200))
    for name in ("AP", "found", "pixel_error", "IDF1", "HOTA", "PCK@0.1"):
        cell = metrics.values["all"][name]
        assert cell.low < cell.mean < cell.high
    alone = evaluate_animals({"one": videos["0"]}).values["all"]["AP"]
    assert np.isnan([alone.low, alone.high]).all()
    again = evaluate_animals(videos, AnimalOptions(resamples=200))
    assert metrics_dict(again) == metrics_dict(metrics)
    nothing = {
        name: video._replace(predicted=video.predicted.rows([])) for name, video in videos.items()
    }
    missed = evaluate_animals(nothing, AnimalOptions(resamples=20)).values["all"]
    assert missed["AP"] == missed["IDF1"] == Interval(0.0, 0.0, 0.0)
    twins = evaluate_animals({"a": videos["0"], "b": videos["0"]}, AnimalOptions(resamples=20))
    for name in ("AP", "IDF1", "HOTA", "pixel_error"):
        cell = twins.values["all"][name]
        assert (cell.low, cell.high) == pytest.approx((cell.mean, cell.mean))


def test_an_interval_holds_95_percent_of_the_resamples():
    values = np.arange(1001) / 1000
    found = interval(0.5, values)
    assert (found.mean, found.low, found.high) == pytest.approx((0.5, 0.025, 0.975))


def test_a_video_that_counts_twice_is_as_two_videos():
    rankings = [rank_predictions(pair_frames(*scene(seed, frames=30))) for seed in (1, 2)]
    twice = RankedPredictions([*rankings, rankings[1]]).average_precision()
    (resampled,) = RankedPredictions(rankings).resampled(np.array([[1.0, 2.0]]))
    np.testing.assert_allclose(resampled.precision, twice.precision)
    np.testing.assert_allclose(resampled.recall, twice.recall)


def test_intervals_of_long_videos_read_precision_at_enough_places():
    ranking = rank_predictions(pair_frames(*scene(0, frames=9000, extra=0.3)))
    ranked = RankedPredictions([ranking])
    (resampled,) = ranked.resampled(np.ones((1, 1)))
    assert len(ranking.scores) > 10_000
    assert resampled.ap == pytest.approx(ranked.average_precision().ap, abs=1e-3)


def test_identities_are_left_out_where_animals_have_no_names():
    truth, predicted = scene(5)
    metrics = evaluated(truth, replace(predicted, individual=None))
    assert "IDF1" not in metrics.values["all"]
    assert np.isnan(value(metrics, "switches"))
    assert value(metrics, "AP") == value(evaluated(truth, predicted), "AP")


@pytest.mark.parametrize("lacking", ["all", "one"])
def test_without_scores_only_what_needs_a_ranking_is_left_out(tmp_path, lacking):
    truth, predicted = scene(5)
    score = np.full(len(predicted), np.nan) if lacking == "all" else predicted.score.copy()
    score[0] = np.nan
    ranked, bare = evaluated(truth, predicted), evaluated(truth, replace(predicted, score=score))
    needed = {"AP", "AP50", "AP75", "AR"}
    for level, values in ranked.values.items():
        kept = {name: value for name, value in values.items() if name not in needed}
        assert bare.values[level].keys() == kept.keys()
        for name, cell in kept.items():
            assert repr(bare.values[level][name]) == repr(cell)
    (note,) = bare.notes
    judged = sum(frame in truth.frame for frame in predicted.frame)
    assert note.startswith(f"AP and AR are left out: {judged if lacking == 'all' else 1} predicted")
    write_animal_metrics(bare, tmp_path / "m.json")
    assert strict_json.parse((tmp_path / "m.json").read_text())["notes"] == [note]


def test_metrics_are_written_as_csv_and_json(tmp_path):
    truth, predicted = scene(6)
    metrics = evaluate_animals({"v": VideoTables(truth, predicted, fps=25.0)})
    write_animal_metrics(metrics, tmp_path / "m.csv")
    write_animal_metrics(metrics, tmp_path / "m.json")
    lines = list(csv.DictReader((tmp_path / "m.csv").open()))
    content = strict_json.parse((tmp_path / "m.json").read_text())
    assert {line["contact"] for line in lines} == set(CONTACT)
    for line in lines:
        cell = content["metrics"][line["contact"]][line["metric"]]
        assert line["value"] == ("" if cell["value"] is None else f"{cell['value']:.6g}")
        assert line["low"] == ""
    assert content["options"]["sigmas"] == COCO_SIGMA
    with pytest.raises(EvaluationError, match=r"\.csv or \.json"):
        write_animal_metrics(metrics, tmp_path / "m.txt")


def test_animals_that_cannot_be_seen_count_apart():
    truth, predicted = walk(("aa", "bb"), frames=2)
    codes = np.full((4, K), Visibility.VISIBLE, np.int8)
    codes[[1, 2]] = Visibility.OCCLUDED
    metrics = evaluated(replace(truth, visibility=codes), predicted.rows([0, 2]))
    assert (value(metrics, "found"), value(metrics, "visible_found")) == (0.5, 0.5)
    predicted.points[2, 0] += [3.0, 4.0]  # of an animal that is found, hidden in its frame
    metrics = evaluated(replace(truth, visibility=codes), predicted.rows([0, 2, 3]))
    assert (value(metrics, "found"), value(metrics, "visible_found")) == (0.75, 1.0)
    assert value(metrics, "pixel_error") == pytest.approx(5 / (3 * K))
    assert value(metrics, "visible_pixel_error") == 0.0


def test_a_label_file_of_a_video_and_its_predictions_are_compared(tmp_path):
    truth, predicted = scene(8, animals=2, extra=0.0, frames=12)
    codes = np.where(truth.visibility > 0, 2, 0).astype(np.int8)
    points = np.where(codes[..., None] > 0, truth.points, np.nan)
    named = tuple(map(str, truth.frame))
    write_pose_csv(replace(truth, points=points, frame=named, visibility=None), tmp_path / "t.csv")
    confidence = np.repeat(predicted.score[:, None], K, axis=1)
    write_pose_csv(replace(predicted, score=None, confidence=confidence), tmp_path / "p.csv")
    read = evaluate_animals({"v": read_video_tables(tmp_path / "p.csv", tmp_path / "t.csv", 10.0)})
    ours = evaluate_animals({"v": VideoTables(replace(truth, visibility=codes), predicted, 10.0)})
    for name in ("AP", "found", "PCK@0.1", "pixel_error", "IDF1", "HOTA", "switches_per_minute"):
        assert value(read, name) == pytest.approx(value(ours, name), abs=1e-6)
    same = read_video_tables(tmp_path / "p.csv", tmp_path / "p.csv")
    assert value(evaluate_animals({"v": same}), "AP") == 1.0


def test_each_view_of_a_video_is_judged_by_itself():
    scenes = [scene(seed, frames=10) for seed in (1, 2)]
    both = [
        concatenate([
            replace(tables[part], view=(view,) * len(tables[part]))
            for view, tables in zip(("left", "right"), scenes, strict=True)
        ])
        for part in (0, 1)
    ]  # fmt: skip
    views = count_identities(pair_frames(*both, body_length=50.0))
    alone = [count_identities(pair_frames(*tables, body_length=50.0)) for tables in scenes]
    for one, two in zip(views, sums(alone, np.ones((1, 2))), strict=True):
        np.testing.assert_allclose(one, two)
