"""Several animals in an open field: where they are, which hides which, who is who."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from numpy import ndarray

from lp_core.poses import Animals, Content, PoseTable, Visibility, read_pose_csv
from lp_core.regions import Box
from lp_data.regions.box_file import read_boxes
from lp_synthetic import SyntheticProject, SyntheticSettings, generate_project
from lp_synthetic.contacts import Kind, contacts
from lp_synthetic.errors import SyntheticProjectError
from lp_synthetic.labelling import label_table, truth_table
from lp_synthetic.scene import Frame, Notes
from lp_synthetic.session import Session, held_out_sessions, training_sessions
from lp_synthetic.skeleton import KEYPOINTS

THREE = SyntheticSettings(
    seed=2,
    height=128,
    width=128,
    animals=3,
    labeled_frames=8,
    sessions=1,
    train_videos=1,
    frames_per_video=30,
    test_frames=150,
    touches=12.0,
    absences=12.0,
    ood_frames=12,
    ood_labeled_frames=2,
)
NOSE, TAIL_BASE, TAIL_TIP = (KEYPOINTS.index(name) for name in ("nose", "tail_base", "tail_tip"))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> SyntheticProject:
    return generate_project(tmp_path_factory.mktemp("several") / "project", THREE)


@pytest.fixture(scope="module")
def truth(project: SyntheticProject) -> PoseTable:
    return read_several(project.truth["test"])


@pytest.fixture(scope="module")
def session() -> Session:
    return held_out_sessions(THREE)[0]


@pytest.fixture(scope="module")
def shots(session: Session) -> dict[int, Frame]:
    return {frame: session.shoot(frame) for frame in range(0, 150, 4)}


def read_several(path: Path) -> PoseTable:
    return read_pose_csv(path, Content.LABELS, Animals(several=True))


def plain_truth(session: Session) -> PoseTable:
    """The truth of a session that is not rendered: nothing is hidden."""
    inside = session.camera.panels[0].holds(session.keypoints)
    codes = np.where(inside, Visibility.VISIBLE, Visibility.UNLABELED)
    boxes = np.zeros((len(session.individuals), 6), int)
    notes = {f: Notes(row, np.zeros(row.shape, bool), boxes) for f, row in enumerate(codes)}
    return truth_table(session, notes)


def pixels(points: ndarray) -> tuple[ndarray, ndarray]:
    """Rows and columns of points in frame px."""
    x, y = np.rint(points).astype(int).T
    return y, x


class TestMasks:
    def test_a_visible_keypoint_lies_on_the_mask_of_its_animal(
        self, session: Session, shots: dict[int, Frame]
    ) -> None:
        for frame, shot in shots.items():
            for animal, codes in enumerate(shot.notes.codes):
                seen = session.keypoints[frame, animal, codes == Visibility.VISIBLE]
                assert (shot.owner[pixels(seen)] == animal).all()

    def test_a_keypoint_below_another_animal_is_hidden(
        self, session: Session, shots: dict[int, Frame]
    ) -> None:
        covered = 0
        for frame, shot in shots.items():
            order = session.order[frame].tolist()
            for animal, codes in enumerate(shot.notes.codes):
                inside = codes != Visibility.UNLABELED
                owner = shot.owner[pixels(session.keypoints[frame, animal, inside])]
                above = np.isin(owner, order[order.index(animal) + 1 :])
                assert (codes[inside][above] == Visibility.OCCLUDED).all()
                covered += int(above.sum())
        assert covered > 10

    def test_the_uppermost_animal_is_whole_and_those_below_lose_what_it_covers(
        self, session: Session, shots: dict[int, Frame]
    ) -> None:
        lost = 0
        for frame, shot in shots.items():
            boxes = shot.notes.boxes
            assert (boxes[:, 4] <= boxes[:, 5]).all()
            top = session.order[frame, -1]
            assert boxes[top, 4] == boxes[top, 5] == np.count_nonzero(shot.owner == top)
            lost += int((boxes[:, 5] - boxes[:, 4]).sum())
        assert lost > 500

    def test_the_animal_ends_where_the_truth_has_nose_and_tail_tip(
        self, session: Session, shots: dict[int, Frame]
    ) -> None:
        checked = 0
        for frame, shot in shots.items():
            boxes = shot.notes.boxes
            for animal, (*_, area, whole) in enumerate(boxes.tolist()):
                body = session.keypoints[frame, animal]
                alone = whole == area > 0 and (shot.notes.codes[animal] > 0).all()
                if not alone or boxes[animal, :2].min() == 0:
                    continue
                y, x = np.nonzero(shot.owner == animal)
                mask = np.stack([x, y], axis=-1)
                ahead = body[NOSE] - body[TAIL_BASE]
                beyond = (mask - body[NOSE]) @ ahead / np.linalg.norm(ahead)
                assert -1.0 < beyond.max() < 2.0
                assert np.linalg.norm(mask - body[TAIL_TIP], axis=-1).min() < 1.0
                checked += 1
        assert checked > 20

    def test_an_animal_changes_its_place_in_the_pile_only_while_it_is_apart(
        self, session: Session
    ) -> None:
        rank = np.argsort(session.order, axis=1)
        changes = 0
        for a, b in combinations(range(3), 2):
            for frame in np.flatnonzero(np.diff(rank[:, a] > rank[:, b])) + 1:
                one, other = session.keypoints[frame, a], session.keypoints[frame, b]
                apart = (one.min(0) > other.max(0)).any() or (other.min(0) > one.max(0)).any()
                assert apart
                changes += 1
        assert changes > 2


class TestBoxes:
    def test_each_box_holds_its_mask_exactly(
        self, project: SyntheticProject, shots: dict[int, Frame]
    ) -> None:
        found = read_boxes([project.boxes["test"]])
        for frame, shot in shots.items():
            expected = {}
            for animal, name in enumerate(project.individuals):
                rows, columns = np.nonzero(shot.owner == animal)
                if len(rows):
                    x, y = int(columns.min()), int(rows.min())
                    size = int(columns.max()) + 1 - x, int(rows.max()) + 1 - y
                    expected[name] = Box(x, y, *size)
            regions = found.regions(frame) if expected else ()
            assert {region.individual: region.box for region in regions} == expected

    def test_labelled_frames_have_boxes_too(self, project: SyntheticProject) -> None:
        labels = read_several(project.label_file)
        boxes = read_boxes([project.folder / "CollectedData_boxes.csv"])
        for image, rows in labels.by_frame():
            boxed = {region.individual for region in boxes.regions(image)}
            assert {(labels.individual or ())[row] for row in rows} <= boxed


class TestIdentities:
    def test_an_individual_keeps_its_name(self, truth: PoseTable) -> None:
        names = np.array(truth.individual)
        for name in THREE.individuals:
            trunk = truth.points[names == name][:, TAIL_BASE]
            step = np.linalg.norm(np.diff(trunk, axis=0), axis=-1)
            assert np.nanmax(step) < 0.5 * 0.22 * 128
            assert np.nanmean(step) > 0.3

    def test_animals_leave_and_come_back(self, truth: PoseTable) -> None:
        seen = truth.codes.any(axis=1).reshape(-1, 3)
        returned = (np.diff(seen.astype(int), axis=0) == 1).sum()
        assert returned >= THREE.plan(150)["absence"] == 1

    def test_an_animal_that_is_away_has_no_row_of_labels(self) -> None:
        session = training_sessions(THREE)[0]
        notes = {}
        for frame in session.labeled:
            codes = np.full((3, len(KEYPOINTS)), int(Visibility.VISIBLE))
            notes[frame] = Notes(codes, np.zeros(codes.shape, bool), np.zeros((3, 6), int))
        some, none = session.labeled[:2]
        notes[some].codes[0] = notes[none].codes[:] = Visibility.UNLABELED
        table = label_table(session, notes)
        rows = dict(table.by_frame())
        names = table.individual or ()
        assert [names[row] for row in rows[session.image_path(some)]] == ["mouse2", "mouse3"]
        assert [names[row] for row in rows[session.image_path(none)]] == [None]
        assert all(len(rows[session.image_path(frame)]) == 3 for frame in session.labeled[2:])

    @pytest.mark.parametrize("marked", [False, True])
    def test_only_marked_animals_differ_in_colour(self, marked: bool) -> None:
        session = held_out_sessions(replace(THREE, marked=marked, test_frames=30))[0]
        colours = []
        for frame in (0, 29):
            shot = session.shoot(frame)
            masks = [shot.owner == animal for animal in range(3)]
            colours.append([shot.image[mask].mean(axis=0) for mask in masks if mask.any()])
        apart = [np.abs(a - b).max() for a, b in combinations(colours[0], 2)]
        again = [np.abs(a - b).max() for a, b in zip(*colours, strict=True)]
        assert len(apart) == 3
        if marked:
            assert min(apart) > 12.0 > max(again)
        else:
            assert max(apart) < 12.0


def walkers(*paths: list[tuple[float, float, float]]) -> PoseTable:
    """The truth of stiff animals, 100 px long, by their (x, y, heading in degrees)."""
    skeleton = held_out_sessions(replace(THREE, test_frames=6))[0]
    table = plain_truth(skeleton)
    points, frames, names = [], [], []
    for frame, places in enumerate(zip(*paths, strict=True)):
        for animal, (x, y, heading) in enumerate(places):
            turn = np.deg2rad(heading)
            ahead = np.array([np.cos(turn), np.sin(turn)])
            body = np.zeros((len(KEYPOINTS), 2))
            body[NOSE], body[TAIL_BASE] = 50.0 * ahead, -50.0 * ahead
            for ear in ("ear_left", "ear_right"):
                body[KEYPOINTS.index(ear)] = 25.0 * ahead
            points.append(body + np.array([x, y]))
            frames.append(str(frame))
            names.append(f"mouse{animal + 1}")
    seen = np.full((len(points), len(KEYPOINTS)), int(Visibility.VISIBLE), np.int8)
    rows = {"frame": tuple(frames), "individual": tuple(names)}
    return replace(table, points=np.stack(points), visibility=seen, **rows)


class TestContacts:
    STILL = [(0.0, 0.0, 90.0)] * 81

    def test_through_each_other_is_a_crossing(self) -> None:
        (met,) = contacts(walkers(self.STILL, [(x * 5.0 - 200, 0.0, 0.0) for x in range(81)]))
        assert met.kind is Kind.CROSSING
        assert met.pair == ("mouse1", "mouse2")
        assert met.first < 40 < met.last
        assert met.gap == pytest.approx(-0.31, abs=0.03)

    def test_onto_another_and_back_is_a_cover(self) -> None:
        there = [(-5.0 * abs(x - 40), 0.0, 0.0) for x in range(81)]
        (met,) = contacts(walkers(self.STILL, there))
        assert met.kind is Kind.COVER

    def test_up_to_another_and_back_is_a_touch(self) -> None:
        there = [(-66.0 - 5.0 * abs(x - 40), 0.0, 0.0) for x in range(81)]
        (met,) = contacts(walkers(self.STILL, there))
        assert met.kind is Kind.TOUCH
        assert abs(met.gap) < 0.03

    def test_past_another_at_a_distance_is_no_contact(self) -> None:
        assert contacts(walkers(self.STILL, [(60.0, x * 5.0 - 200, 90.0) for x in range(81)])) == []

    def test_outside_the_frame_is_no_contact(self) -> None:
        table = walkers(self.STILL, [(x * 5.0 - 200, 0.0, 0.0) for x in range(81)])
        codes = table.codes.copy()
        codes[1::2, NOSE] = Visibility.UNLABELED
        assert contacts(replace(table, visibility=codes)) == []

    def test_the_truth_of_one_animal_has_none(self) -> None:
        table = replace(walkers(self.STILL), individual=None)
        with pytest.raises(SyntheticProjectError, match="no row names an individual"):
            contacts(table)

    @pytest.mark.parametrize("seed", [0, 1, 2])
    def test_a_minute_of_three_has_20_crossings_and_5_touches(self, seed: int) -> None:
        session = held_out_sessions(SyntheticSettings.several(3, seed))[0]
        kinds = [met.kind for met in contacts(plain_truth(session))]
        assert kinds.count(Kind.CROSSING) >= 20
        assert kinds.count(Kind.TOUCH) >= 5

    def test_the_written_truth_has_as_many_as_were_asked_for(self, truth: PoseTable) -> None:
        kinds = [met.kind for met in contacts(truth)]
        assert kinds.count(Kind.CROSSING) >= THREE.plan(150)["crossing"] == 1
        assert kinds.count(Kind.TOUCH) >= THREE.plan(150)["touch"] == 1

    def test_more_than_fit_into_the_time_are_refused(self) -> None:
        with pytest.raises(SyntheticProjectError, match="'crossing' do not fit into 120 frames"):
            held_out_sessions(replace(THREE, test_frames=120, crossings=400.0))[0]


class TestProject:
    def test_labels_equal_the_truth_of_their_individual(self, project: SyntheticProject) -> None:
        labels, truth = (
            read_several(path) for path in (project.label_file, project.truth["session_00"])
        )
        keys = zip(truth.frame, truth.individual or (), strict=True)
        places = {key: row for row, key in enumerate(keys)}
        for row, (image, name) in enumerate(
            zip(labels.frame, labels.individual or (), strict=True)
        ):
            at = places[str(int(str(image)[-12:-4])), name]
            known = labels.has_position[row]
            np.testing.assert_array_equal(labels.points[row, known], truth.points[at, known])
            np.testing.assert_array_equal(labels.codes[row, known], truth.codes[at, known])

    def test_the_same_seed_gives_the_same_bytes(self, tmp_path: Path) -> None:
        few = {"labeled_frames": 2, "frames_per_video": 8, "test_frames": 6, "ood_frames": 6}
        small = replace(THREE, **few)
        written = []
        for name, seed in (("first", 1), ("again", 1), ("other", 2)):
            generate_project(tmp_path / name, replace(small, seed=seed))
            files = [path for path in sorted((tmp_path / name).rglob("*.*")) if path.is_file()]
            written.append({path.name: path.read_bytes() for path in files})
        assert written[0] == written[1]
        assert {"CollectedData_boxes.csv", "test_boxes.csv", "test.mp4"} <= set(written[0])
        assert all(written[2].get(name) != content for name, content in written[0].items())

    def test_one_animal_in_the_open_field_has_no_name(self, tmp_path: Path) -> None:
        alone = replace(SyntheticSettings.tiny(), open_field=True, body_length_px=40.0)
        project = generate_project(tmp_path / "alone", alone)
        assert project.individuals == ()
        assert project.mirrored_column_matches == []
        assert project.keypoint_names == KEYPOINTS
        labels = read_pose_csv(project.label_file, Content.LABELS)
        assert labels.individual is None
        assert project.body_length_px == pytest.approx(40.0, rel=0.1)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"animals": 0}, "animals is 0"),
        ({"animals": 7}, "animals is 7"),
        ({"marked": True}, "animals is 1"),
        ({"body_length_px": 50.0}, "open_field is not set"),
        ({"animals": 2, "body_length_px": 10.0}, "body_length_px is 10"),
        ({"animals": 2, "body_length_px": 200.0}, "body_length_px is 200"),
        ({"animals": 2, "height": 64, "width": 64}, "body_length_px is 14"),
        ({"animals": 2, "touches": -1.0}, "touches is -1"),
        ({"crossings": 5.0}, "need two animals"),
        ({"absences": 5.0}, "open field"),
    ],
)
def test_wrong_settings_of_animals_are_refused(change: dict[str, float], problem: str) -> None:
    with pytest.raises(SyntheticProjectError, match=problem):
        SyntheticSettings(**change)  # type: ignore[arg-type]


def test_one_animal_is_filmed_as_ever() -> None:
    session = training_sessions(SyntheticSettings.tiny(seed=3))[0]
    places = [[87.246, 24.433], [16.278, 29.655], [71.363, 61.648], [18.179, 62.702]]
    np.testing.assert_allclose(session.keypoints[5, 0, [0, 9, 13, 19]], places, atol=1e-3)
    brightness = session.shoot(5).image.reshape(4, 24, 4, 24, 3).mean(axis=(1, 3, 4))
    expected = [
        [107.1, 103.6, 90.0, 88.9],
        [84.3, 76.7, 66.0, 65.2],
        [64.3, 75.7, 64.2, 58.4],
        [58.6, 61.2, 54.7, 56.1],
    ]
    np.testing.assert_allclose(brightness, expected, atol=0.3)
