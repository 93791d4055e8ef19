"""Which frames to label next: planted failures, variety, and what was labelled already."""

from fractions import Fraction

import cv2
import numpy as np
import pytest

from lp_analysis.errors import SuggestionError
from lp_analysis.suggestion import (
    DistilOptions,
    PredictedVideo,
    Suggestion,
    SuggestionOptions,
    accept_suggestions,
    distil,
    extract_frames,
    known_images,
    labelled_frames,
    suggest_frames,
    suggest_unpredicted,
    suggested_file,
    write_suggestions,
)
from lp_analysis.suggestion.distillation import label_weights
from lp_analysis.tracks.review import Doubt, write_review
from lp_core.errors import PoseError
from lp_core.poses import PoseTable, Skeleton, write_pose_csv
from lp_data.labels import read_labels
from lp_data.testing.encoding import draw_code, read_codes
from lp_data.video.writer import VideoWriter
from lp_io.predictions import read_predictions
from lp_io.predictions.covariance import write_covariance

FRAMES = 240
NAMES = ("nose", "neck", "tail")
SIZE = (64, 64)


def write_video(path, picture=lambda number: draw_code(number, *SIZE), frames=FRAMES):
    with VideoWriter(path, fps=Fraction(30), size=SIZE, quality=10) as writer:
        for number in range(frames):
            writer.write(picture(number))
    return path


@pytest.fixture(scope="session")
def film(tmp_path_factory):
    """A video whose frames show their numbers."""
    return write_video(tmp_path_factory.mktemp("film") / "film.mp4")


def walk(frames=FRAMES):
    """Poses of an animal that walks on, and their confidences."""
    body = np.array([[10.0, 10], [20, 14], [30, 10]])
    points = body + np.stack([0.1 * np.arange(frames), np.zeros(frames)], axis=1)[:, None]
    noise = np.random.default_rng(0).normal(0, 0.05, points.shape)
    return points + noise, np.full((frames, 3), 0.95)


def write_table(path, points, confidence, **more):
    table = PoseTable(
        Skeleton(NAMES), points, tuple(range(len(points))), confidence=confidence, **more
    )
    write_pose_csv(table, path)
    return path


@pytest.fixture
def predicted(film, tmp_path):
    """The film with predictions; ``change`` plants failures in them."""

    def predict(change=lambda points, confidence: None, name="film", members=0):
        tables = []
        for member in range(max(members, 1)):
            points, confidence = walk()
            change(points, confidence) if not members else change(points, confidence, member)
            tables.append(write_table(tmp_path / f"{name}{member}.csv", points, confidence))
        return PredictedVideo(film, tables[0], tuple(tables) if members else ())

    return predict


def frames_of(suggestions):
    return [each.frame for each in suggestions]


def reason_of(suggestions, frame):
    return next(each.reason for each in suggestions if each.frame == frame)


def test_planted_failures_are_suggested_with_their_reason(predicted):
    def plant(points, confidence):
        points[50, 0] += 25
        confidence[120] = 0.2

    found = suggest_frames([predicted(plant)], SuggestionOptions(count=6, apart=10))
    assert reason_of(found, 50).startswith("nose leaps by 35")
    assert "2.4 of 3 keypoints" in reason_of(found, 120)
    worst = sorted(found, key=lambda each: -each.score)[:2]
    assert {each.frame for each in worst} == {50, 120}


def test_where_models_disagree_is_suggested(predicted):
    def plant(points, confidence, member):
        points[77:80, 2] += 12.0 * member

    found = suggest_frames([predicted(plant, members=3)], SuggestionOptions(count=4, apart=10))
    (frame,) = [each for each in frames_of(found) if 77 <= each < 80]
    # members at 0, 12 and 24 px along both axes
    assert reason_of(found, frame) == "the models disagree on tail, by 17.0 px"


def test_covariances_of_an_ensemble_are_its_disagreement(predicted):
    one = predicted()
    covariance = np.tile(np.eye(2), (FRAMES, 3, 1, 1))
    covariance[90, 1] = [[90.0, 20], [20, 54]]
    write_covariance(one.table, NAMES, list(map(str, range(FRAMES))), covariance)
    found = suggest_frames([one], SuggestionOptions(count=4, apart=10))
    assert reason_of(found, 90) == "the models disagree on neck, by 12.0 px"
    weights = label_weights(one, FRAMES, labels_of_size(200))
    np.testing.assert_allclose(weights[90, 1], 0.95 * np.exp(-0.72), rtol=1e-4)  # 12 of 10 px


def labels_of_size(diagonal):
    """A labelled pose of that size, so that 5 % of it is the radius."""
    points = np.array([[[0.0, 0], [0, 0], [0.6 * diagonal, 0.8 * diagonal]]])
    return PoseTable(Skeleton(NAMES), points, ("a.png",))


def test_members_of_other_keypoints_are_refused(predicted, film, tmp_path):
    points, confidence = walk()
    other = PoseTable(
        Skeleton(("a", "b", "c")), points, tuple(range(FRAMES)), confidence=confidence
    )
    write_pose_csv(other, tmp_path / "other.csv")
    one = predicted()
    with pytest.raises(SuggestionError, match="same keypoints"):
        suggest_frames([PredictedVideo(film, one.table, (one.table, tmp_path / "other.csv"))])


def test_unclear_identities_are_suggested(film, tmp_path):
    points, confidence = walk()
    table = PoseTable(
        Skeleton(NAMES),
        np.concatenate([points, points + np.array([0, 20])]),
        (*range(FRAMES), *range(FRAMES)),
        individual=("ann",) * FRAMES + ("bob",) * FRAMES,
        confidence=np.concatenate([confidence] * 2),
    )
    write_pose_csv(table, tmp_path / "film.csv")
    doubts = [Doubt(90, ("ann", "bob"), 0.1, "joined"), Doubt(20, ("ann", "bob"), 9.0, "joined")]
    write_review(tmp_path / "film_review.csv", doubts)
    found = suggest_frames(
        [PredictedVideo(film, tmp_path / "film.csv")], SuggestionOptions(count=3, apart=5)
    )
    assert "unclear who is who" in reason_of(found, 90)
    assert "who is who" not in " ".join(each.reason for each in found if each.frame != 90)


def test_no_frame_is_near_a_labelled_or_another_one(predicted):
    def plant(points, confidence):
        confidence[100:130] = 0.1

    one = predicted(plant)
    labelled = {one.video: {110, 400}}
    found = frames_of(
        suggest_frames([one], SuggestionOptions(count=10, apart=8), labelled=labelled)
    )
    assert all(abs(frame - 110) >= 8 for frame in found)
    assert min(np.diff(found)) >= 8
    assert any(100 <= frame < 130 for frame in found)


def test_the_same_seed_gives_the_same_frames(predicted):
    one = predicted()
    first = suggest_frames([one], SuggestionOptions(count=8, seed=3))
    assert first == suggest_frames([one], SuggestionOptions(count=8, seed=3))
    assert len(first) == 8


def scenes(number):
    """Four scenes of 60 frames, in which a square moves."""
    picture = np.full((*SIZE, 3), (number // 60) * 60, np.uint8)
    cv2.rectangle(picture, (5 + number % 40, 20), (12 + number % 40, 30), (255, 255, 255), -1)
    return picture


def test_frames_are_of_all_scenes_although_one_has_the_most_failures(tmp_path):
    video = write_video(tmp_path / "film.mp4", scenes)
    points, confidence = walk()
    confidence[:60] = np.linspace(0.1, 0.4, 60)[:, None]
    confidence[60:] = np.random.default_rng(1).uniform(0.7, 0.9, (FRAMES - 60, 3))
    table = write_table(tmp_path / "film.csv", points, confidence)
    found = suggest_frames([PredictedVideo(video, table)], SuggestionOptions(count=8, apart=3))
    assert {frame // 60 for frame in frames_of(found)} == {0, 1, 2, 3}


def test_near_duplicates_are_left_out(tmp_path):
    def still(number):
        picture = np.full((*SIZE, 3), 90, np.uint8)
        if number >= 200:  # all else is one and the same picture
            cv2.circle(picture, (number % 60, 30), 6, (255, 0, 0), -1)
        return picture

    video = write_video(tmp_path / "film.mp4", still)
    table = write_table(tmp_path / "film.csv", *walk())
    options = SuggestionOptions(count=40, apart=2)
    found = frames_of(suggest_frames([PredictedVideo(video, table)], options))
    assert len(found) < 30  # fewer than asked for
    assert sum(frame < 200 for frame in found) == 1
    assert sum(frame >= 200 for frame in found) > 5


def test_every_video_gives_frames(film, tmp_path):
    other = write_video(tmp_path / "other.mp4")
    points, confidence = walk()
    good = write_table(tmp_path / "good.csv", points, confidence)
    confidence[::3] = 0.1
    bad = write_table(tmp_path / "bad.csv", points, confidence)
    videos = [PredictedVideo(film, bad), PredictedVideo(other, good)]
    found = suggest_frames(videos, SuggestionOptions(count=12, apart=3))
    numbers = [sum(each.video == video.video for each in found) for video in videos]
    assert sum(numbers) == 12
    assert numbers[0] > numbers[1] >= 3


def test_frames_without_predictions_are_no_failure(film, tmp_path):
    points, confidence = walk()
    table = PoseTable(Skeleton(NAMES), points[:100], tuple(range(100)), confidence=confidence[:100])
    write_pose_csv(table, tmp_path / "half.csv")
    found = suggest_frames(
        [PredictedVideo(film, tmp_path / "half.csv")], SuggestionOptions(count=20)
    )
    assert len(found) == 20
    late = [each.reason for each in found if each.frame > 100]
    assert set(late) <= {"it looks unlike the others"}


def test_without_a_model_frames_are_of_all_scenes_and_show_movement(tmp_path):
    def picture(number):
        moving = number % 60 >= 40
        shown = np.full((*SIZE, 3), (number // 60) * 60, np.uint8)
        place = 5 + 2 * (number % 60 - 40) * moving
        cv2.rectangle(shown, (place, 20), (place + 12, 40), (255, 255, 255), -1)
        return shown

    video = write_video(tmp_path / "film.mp4", picture)
    found = suggest_unpredicted([video], SuggestionOptions(count=8, apart=4))
    assert {frame // 60 for frame in frames_of(found)} == {0, 1, 2, 3}
    assert sum(frame % 60 >= 40 or frame % 60 == 0 for frame in frames_of(found)) >= 7
    assert found == suggest_unpredicted([video], SuggestionOptions(count=8, apart=4))


def test_without_a_model_labelled_frames_are_not_suggested(film):
    labelled = {film: set(range(0, FRAMES, 2))}
    found = suggest_unpredicted([film], SuggestionOptions(count=5, apart=1), labelled=labelled)
    assert len(found) == 5
    assert all(frame % 2 for frame in frames_of(found))


@pytest.mark.parametrize("model", [True, False])
def test_more_frames_than_there_are(predicted, model):
    one, options = predicted(), SuggestionOptions(count=100, apart=10)
    with pytest.raises(
        SuggestionError, match=r"100 frames were asked for, but only \d+ of the 240"
    ):
        suggest_frames([one], options) if model else suggest_unpredicted([one.video], options)


def test_no_videos_and_the_same_name_twice(film, tmp_path):
    with pytest.raises(SuggestionError, match="no video is given"):
        suggest_unpredicted([])
    (tmp_path / "a").mkdir()
    other = write_video(tmp_path / "a/film.mp4", frames=4)
    with pytest.raises(SuggestionError, match="same name"):
        suggest_unpredicted([film, other])


def test_the_table_names_video_frame_and_reason(predicted, tmp_path):
    found = suggest_frames([predicted()], SuggestionOptions(count=2))
    write_suggestions(tmp_path / "s.csv", found)
    lines = (tmp_path / "s.csv").read_text().splitlines()
    assert lines[0] == "video,frame,time_s,score,reason"
    assert lines[1].split(",")[:3] == [
        str(found[0].video), str(found[0].frame), f"{found[0].frame / 30:.4f}",
    ]  # fmt: skip


# ------------------------------------------------------------------------- in a project


@pytest.fixture
def labels(tmp_path):
    """A label file with one image of the film, and a comment of its own kind of spelling."""
    file = tmp_path / "CollectedData.csv"
    lines = [
        "scorer,,,me,me,me,me,me,me",
        "bodyparts,,,nose,nose,neck,neck,tail,tail",
        "coords,,,x,y,x,y,x,y",
        "labeled-data,film,img00010.png,1.50,2,3,4,,",
    ]
    file.write_text("\n".join(lines))  # no newline at the end
    return file


@pytest.fixture
def extracted(predicted, labels):
    one = predicted()
    known = known_images(labels)
    options = SuggestionOptions(count=5, apart=6)
    found = suggest_frames([one], options, labelled={one.video: labelled_frames(known, one.video)})
    return found, extract_frames(found, labels, tables={one.video: one.table}, scorer="model")


def test_images_show_the_frames_of_their_numbers_and_neighbours(extracted, labels):
    found, done = extracted
    folder = labels.parent / "labeled-data/film"
    assert done.images == len(found) == 5
    for frame in frames_of(found):
        for number in range(max(frame - 2, 0), min(frame + 3, FRAMES)):
            picture = cv2.imread(str(folder / f"img{number:08d}.png"))[..., ::-1]
            assert read_codes(picture[None].copy()) == [number]


def test_guesses_are_those_of_the_model_and_no_labels(extracted, labels, predicted):
    found, done = extracted
    assert done.file == suggested_file(labels)
    table = read_predictions(done.file)
    points, _ = walk()
    np.testing.assert_allclose(table.points, points[frames_of(found)], atol=1e-5)
    with pytest.raises(PoseError):
        read_labels(done.file)


def test_what_waits_is_neither_suggested_again_nor_written_over(extracted, labels, predicted):
    found, done = extracted
    one = predicted()
    before = read_predictions(done.file)
    known = labelled_frames(known_images(labels), one.video)
    assert known == {10, *frames_of(found)}
    options = SuggestionOptions(count=5, apart=6)
    more = suggest_frames([one], options, labelled={one.video: known})
    assert not set(frames_of(more)) & set(frames_of(found))
    extract_frames([*found, *more], labels, tables={one.video: one.table})
    after = read_predictions(done.file)
    assert after.frame[:5] == before.frame
    np.testing.assert_array_equal(after.points[:5], before.points)
    assert len(after) == 10


def test_accepting_adds_lines_and_changes_none(extracted, labels):
    _, done = extracted
    before = labels.read_text()
    table = read_predictions(done.file)
    points = table.points.copy()
    points[0, 1] = [7.25, 8.5]  # corrected
    points[1, 2] = np.nan  # removed
    write_pose_csv(
        PoseTable(table.skeleton, points, table.frame, confidence=table.confidence), done.file
    )
    accepted = accept_suggestions(done.file, labels)
    after = labels.read_text()
    assert after.startswith(before + "\n")
    assert len(accepted.added) == 5
    read = read_labels(labels)
    assert len(read) == 6
    assert read.points[1, 1].tolist() == [7.25, 8.5]
    assert np.isnan(read.points[2, 2]).all()


def test_a_hand_label_is_kept(extracted, labels):
    _, done = extracted
    table = read_predictions(done.file)
    hand = f"labeled-data,film,{table.frame[0].rpartition('/')[2]},100,101,102,103,104,105\n"
    labels.write_text(labels.read_text() + "\n" + hand)
    accepted = accept_suggestions(done.file, labels)
    assert accepted.kept == (table.frame[0],)
    read = read_labels(labels)
    assert list(read.frame).count(table.frame[0]) == 1
    assert read.points[1, 0].tolist() == [100, 101]
    # and its guess is dropped when more frames come
    extract_frames([], labels)
    assert not read_predictions(done.file).frame if done.file.exists() else True


def test_a_label_file_from_a_labelling_tool_is_accepted(labels, tmp_path):
    checked = tmp_path / "checked.csv"
    checked.write_text(
        "scorer,you,you,you\nbodyparts,nose,nose,nose\ncoords,x,y,visible\n"
        "labeled-data/film/img00000044.png,5,6,2\n"
    )
    assert accept_suggestions(checked, labels).added == ("labeled-data/film/img00000044.png",)
    assert labels.read_text().splitlines()[-1] == "labeled-data,film,img00000044.png,5.0,6.0,,,,"


def test_predictions_of_other_keypoints_are_refused(labels, film, tmp_path):
    points, confidence = walk()
    table = PoseTable(
        Skeleton(("nose", "neck", "paw")), points, tuple(range(FRAMES)), confidence=confidence
    )
    write_pose_csv(table, tmp_path / "film.csv")
    found = suggest_frames(
        [PredictedVideo(film, tmp_path / "film.csv")], SuggestionOptions(count=2)
    )
    with pytest.raises(SuggestionError, match="'paw'"):
        extract_frames(found, labels, tables={film: tmp_path / "film.csv"})
    assert not suggested_file(labels).exists()
    assert not (tmp_path / "labeled-data").exists()


def test_without_a_model_guesses_are_empty(labels, film):
    found = suggest_unpredicted([film], SuggestionOptions(count=3))
    done = extract_frames(found, labels)
    table = read_predictions(done.file)
    assert len(table) == 3
    assert not table.has_position.any()
    with pytest.raises(PoseError):
        read_labels(done.file)
    before = labels.read_text()
    accepted = accept_suggestions(done.file, labels)  # which nobody has labelled
    assert (accepted.added, len(accepted.empty)) == ((), 3)
    assert labels.read_text().rstrip() == before


def test_several_animals_are_guessed_with_the_names_of_the_labels(tmp_path, film):
    file = tmp_path / "CollectedData.csv"
    mice = PoseTable(
        Skeleton(NAMES), np.ones((2, 3, 2)), ("labeled-data/film/img00000010.png",) * 2,
        individual=("red", "blue"),
    )  # fmt: skip
    write_pose_csv(mice, file)
    points, confidence = walk(100)
    tracks = PoseTable(
        Skeleton(NAMES), np.concatenate([points, points + 5]), (*range(100), *range(100)),
        individual=("track1",) * 100 + ("track2",) * 100,
        confidence=np.concatenate([confidence] * 2),
    )  # fmt: skip
    write_pose_csv(tracks, tmp_path / "film.csv")
    frames = [50, 200]  # the second has no animal
    found = [Suggestion(film, frame, frame / 30, 1.0, "") for frame in frames]
    done = extract_frames(found, file, tables={film: tmp_path / "film.csv"})
    guesses = read_predictions(done.file, several=True)
    assert guesses.individual == ("red", "blue", None)
    assert len(set(guesses.frame)) == 2
    np.testing.assert_allclose(guesses.points[1], points[50] + 5, atol=1e-5)
    assert accept_suggestions(done.file, file).added == tuple(dict.fromkeys(guesses.frame))
    labels = read_labels(file)
    assert labels.individual == ("red", "blue", "red", "blue", None)
    np.testing.assert_allclose(labels.points[3], points[50] + 5, atol=1e-5)


# ------------------------------------------------------------------------- distillation


def test_only_what_the_teacher_is_sure_of_becomes_an_extra_label(predicted, labels, tmp_path):
    def plant(points, confidence):
        confidence[:120] = 0.2
        confidence[:, 2] = 0.4
        confidence[120:, 0] = 0.8

    before = labels.read_text()
    done = distil([predicted(plant)], labels, DistilOptions(count=9, apart=4))
    table = read_predictions(done.file)
    assert done.file == tmp_path / "CollectedData_distilled.csv"
    numbers = [int(name[-12:-4]) for name in table.image_paths]
    assert len(numbers) == 9
    assert min(numbers) >= 120
    assert max(numbers) - min(numbers) > 60
    np.testing.assert_allclose(table.confidence, [[0.8, 0.95, 0.0]] * 9)
    np.testing.assert_allclose(table.points[:, :2], walk()[0][numbers][:, :2], atol=1e-5)
    assert all((tmp_path / name).is_file() for name in table.image_paths)
    assert labels.read_text() == before


def test_extra_labels_are_not_near_labelled_frames(predicted, labels):
    one = predicted()
    labels.write_text(
        "\n".join(
            [*labels.read_text().splitlines()[:3]]
            + [f"labeled-data,film,img{frame:05d}.png,1,2,3,4,5,6" for frame in range(0, 200, 10)]
        )
    )
    done = distil([one], labels, DistilOptions(count=50, apart=6))
    numbers = [int(name[-12:-4]) for name in read_predictions(done.file).image_paths]
    assert 0 < len(numbers) < 50  # fewer than asked for, since there are not so many
    assert min(numbers) > 195


def test_members_that_disagree_and_leaps_weigh_less(predicted, labels, film, tmp_path):
    def apart(points, confidence, member):
        points[:, 1] += 3.0 * member
        points[:, 0] += 0.5 * member

    one = predicted(apart, members=2)
    table = read_labels(labels)
    size = np.linalg.norm(np.array([1.5, 2]) - [3, 4])  # of the labelled pose
    off = np.sqrt([0.5**2, 3.0**2])  # root of the trace of the covariance of two members
    weights = label_weights(one, FRAMES, table)
    expected = 0.95 * np.exp(-0.5 * (off / (0.05 * size)) ** 2)
    np.testing.assert_allclose(weights[7, :2], expected, atol=1e-4)


def test_smoothed_positions_are_taken_and_leaps_are_not(predicted, labels, film, tmp_path):
    def leap(points, confidence):
        points[100, 0] += 30

    points, confidence = walk()
    smooth = write_table(tmp_path / "smooth.csv", points + 0.01, confidence)
    one = predicted(leap)
    weights = label_weights(one, FRAMES, read_labels(labels), smooth)
    assert weights[100, 0] == 0
    assert weights[99, 0] > 0.9
    done = distil([one], labels, DistilOptions(count=3), smoothed={film: smooth})
    table = read_predictions(done.file)
    numbers = [int(name[-12:-4]) for name in table.image_paths]
    np.testing.assert_allclose(table.points, points[numbers] + 0.01, atol=1e-5)


def test_a_teacher_that_is_sure_of_nothing_is_told(predicted, labels):
    def plant(points, confidence):
        confidence[:] = 0.1

    with pytest.raises(SuggestionError, match=r"in no frame .* weight of 0.5"):
        distil([predicted(plant)], labels)
    assert not (labels.parent / "CollectedData_distilled.csv").exists()
