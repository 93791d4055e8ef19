"""Several animals before several cameras: trained, predicted, matched, and in space."""

from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from lp_analysis.metrics.identities import count_identities
from lp_analysis.metrics.paired_frames import pair_frames
from lp_analysis.prediction.space import (
    SpaceOptions,
    calibrated_sessions,
    write_session_points,
)
from lp_analysis.tracks.review import Doubt, read_review, write_review
from lp_analysis.triangulation import match_views
from lp_core.poses import PoseTable, Skeleton, concatenate
from lp_data.labels import read_labels
from lp_data.sessions import SessionVideo, ViewNames
from lp_io.calibration import read_rig
from lp_io.points3d import read_points3d
from lp_io.predictions import read_predictions, write_predictions
from lp_pipeline.cli.main import app
from lp_synthetic import SyntheticSettings, generate_project
from lp_synthetic.session import held_out_sessions

CAMERAS, ANIMALS = 3, 2


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    settings = replace(
        SyntheticSettings.tiny(1), animals=ANIMALS, cameras=CAMERAS, test_frames=40, touches=0.0
    )
    return generate_project(tmp_path_factory.mktemp("herd") / "project", settings)


def truth_of(project, view):
    """The labelled truth of a test video with the numbers of its frames."""
    table = read_labels(project.truth[f"test_{view}"])
    return replace(table, frame=tuple(map(int, table.frame)), visibility=None)


def seen_by(project, names):
    """What a tracker would say that is off by 0.3 px, with its own names of the animals."""
    random, tables = np.random.default_rng(0), {}
    for view in project.views:
        truth = truth_of(project, view)
        new = dict(zip(project.individuals, names[view], strict=True))
        points = truth.points + random.normal(0, 0.3, truth.points.shape)
        tables[view] = replace(
            truth, points=points, confidence=np.full(points.shape[:2], 0.9),
            individual=tuple(new[name] for name in truth.individual),
        )  # fmt: skip
    return tables


NAMES = {"top": ("track_0", "track_1"), "front": ("track_1", "track_0"), "left": ("a", "b")}


@pytest.fixture(scope="module")
def tables(project, tmp_path_factory):
    folder = tmp_path_factory.mktemp("predictions")
    for view, table in seen_by(project, NAMES).items():
        write_predictions(table, folder / f"test_{view}.csv")
    return [folder / f"test_{view}.csv" for view in project.views]


def run(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)))


def test_the_truth_has_one_name_for_an_animal_in_all_views_and_in_space(project):
    """Projected, the points of each animal in space are where its labels are, in every view."""
    from lp_core.geometry.cameras import project as to_frames

    space = read_points3d(project.truth_3d["test"]).table
    rig = read_rig(project.calibrations["test"])
    assert set(space.individual) == set(project.individuals)
    for view in project.views:
        labels = truth_of(project, view)
        expected = to_frames(rig.subset([view]), space.points)[0]
        place = {
            key: row for row, key in enumerate(zip(space.frame, space.individual, strict=True))
        }
        keys = zip(map(int, labels.frame), labels.individual, strict=True)
        rows = [place[key] for key in keys]
        np.testing.assert_allclose(labels.points, np.where(
            labels.has_position[..., None], expected[rows], np.nan), atol=0.05)  # fmt: skip


def test_points_of_animals_that_the_views_name_differently(project, tables, tmp_path):
    output = tmp_path / "points.csv"
    done = run("triangulate", project.calibrations["test"], *tables, "-o", output)
    assert done.exit_code == 0, done.output
    assert "2 animals matched between 3 views" in done.output
    found, truth = read_points3d(output).table, read_points3d(project.truth_3d["test"]).table
    for name in ("a", "b"):
        own = found.rows([row for row, each in enumerate(found.individual) if each == name])
        errors = [
            np.nanmedian(np.linalg.norm(own.points - truth.points[start::ANIMALS], axis=-1))
            for start in range(ANIMALS)
        ]
        assert min(errors) < 4  # mm; animals are 88 mm long
        assert max(errors) > 20
    lines = (tmp_path / "points_individuals.csv").read_text().splitlines()
    assert lines[0] == "individual,view,tracks,first_frame,last_frame,rows,margin"
    assert lines[1].startswith("a,front,track_1,0,39,40,")
    assert (tmp_path / "points_review.csv").read_text().startswith("frame,view,individuals")


def test_names_are_trusted_if_that_is_asked(project, tables, tmp_path):
    done = run(
        "triangulate", project.calibrations["test"], *tables[:2], "-o", tmp_path / "points.csv",
        "--by-name",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "matched" not in done.output
    found, truth = read_points3d(tmp_path / "points.csv").table, project.truth_3d["test"]
    errors = np.linalg.norm(found.points - read_points3d(truth).table.points, axis=-1)
    assert np.nanmedian(errors) > 10  # track_0 is another animal in each view


def test_predicted_views_get_common_names_and_points(project, tmp_path):
    """What `litpose predict` of a session does with its tables, and does once."""
    for view, table in seen_by(project, NAMES).items():
        path = tmp_path / f"test_{view}.csv"
        write_predictions(table, path)
        doubt = Doubt(7, (NAMES[view][0], NAMES[view][1]), 2.5, "joined", None)
        write_review(tmp_path / f"test_{view}_review.csv", [doubt])
    views, told = ViewNames(project.views), []
    videos = [
        SessionVideo("test", view, video)
        for view, video in zip(project.views, project.test_videos, strict=True)
    ]
    options = SpaceOptions(views, project=project.folder)
    (session,) = calibrated_sessions([[video] for video in videos], options, told.append)
    tables = {view: tmp_path / f"test_{view}.csv" for view in project.views}
    points = write_session_points(session, tables, told.append)
    assert "2 animals matched between 3 views" in told[1]
    named = {view: read_predictions(path, several=True) for view, path in tables.items()}
    of_animal = {
        view: dict(zip(truth_of(project, view).individual, table.individual, strict=True))
        for view, table in named.items()
    }
    assert of_animal["top"] == of_animal["front"] == of_animal["left"]
    assert set(read_points3d(points).table.individual) == set(of_animal["top"].values())
    for view in project.views:  # the list of decisions has the new names, too
        (doubt,) = read_review(tmp_path / f"test_{view}_review.csv")
        new = dict(zip(NAMES[view], of_animal[view].values(), strict=True))
        assert doubt.individuals == tuple(new[name] for name in NAMES[view])
        assert (tmp_path / f"test_{view}_reprojected.csv").is_file()
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert write_session_points(session, tables, told.append) == points
    assert "is there already" in told[-1]
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def trajectories(cameras, frames, seed=0):
    """Three mice before cameras, without drawing them: by view (F, A, K, 2) in frame px."""
    settings = replace(SyntheticSettings.multiview(cameras, seed, 3), test_frames=frames)
    return held_out_sessions(settings)


def as_tracked(session, random):
    """What a tracker of one view would say: noise, outliers, misses, false rows, broken tracks.

    Two animals are exchanged where they are nearest to each other in the view, from then on.

    Returns:
        The table, and the animal that each row truly shows; None of false rows.
    """
    seen = session.keypoints + random.normal(0, 1.5, session.keypoints.shape)
    F, A, K = seen.shape[:3]
    wrong = random.random((F, A, K)) < 0.05
    seen[wrong] += random.normal(0, 20, (wrong.sum(), 2))
    track = np.tile(np.arange(A), (F, 1))
    middle = np.median(session.keypoints, axis=2)
    gaps = [(np.linalg.norm(middle[:, i] - middle[:, j], axis=-1), i, j)
            for i in range(A) for j in range(i)]  # fmt: skip
    apart, i, j = min(gaps, key=lambda gap: gap[0][60:-60].min())
    swap = 60 + int(apart[60:-60].argmin())
    track[swap:, [i, j]] = track[swap:, [j, i]]
    there = np.ones((F, A), bool)
    for animal in range(A):
        for start in np.flatnonzero(random.random(F) < 0.005):
            stop = start + int(random.integers(1, 15))
            there[start:stop, animal] = False
            if stop - start > 8:
                number = track[min(stop, F - 1), animal]
                later = track[stop:] == number
                track[stop:][later] = track.max() + 1
    frame, animal = np.nonzero(there)
    false = np.flatnonzero(random.random(F) < 0.03)
    shift = random.uniform(-60, 60, (len(false), 1, 2))
    points = np.concatenate([seen[frame, animal], seen[false, 0] + shift])
    names = [f"track_{n}" for n in track[frame, animal]] + [f"track_{900 + n}" for n in false]
    table = PoseTable(
        Skeleton(session.keypoint_names), points, (*frame.tolist(), *false.tolist()),
        individual=tuple(names), confidence=random.beta(8, 1.5, (len(points), K)),
    )  # fmt: skip
    truly = [session.individuals[n] for n in animal]
    return table, (*truly, *[None] * len(false))


def identity_f1(sessions, tables):
    """IDF1 of animals with one name in all views; a frame of each view counts as one."""
    V, truths = len(sessions), []
    for session in sessions:
        F, A, K = session.keypoints.shape[:3]
        truths.append(
            PoseTable(
                Skeleton(session.keypoint_names),
                session.keypoints.reshape(F * A, K, 2),
                tuple(np.repeat(np.arange(F), A).tolist()),
                individual=session.individuals * F,
            )
        )

    def over_views(parts):
        spread = [
            replace(part, frame=tuple(frame * V + view for frame in part.frame))
            for view, part in enumerate(parts)
        ]
        return concatenate(spread)

    counts = count_identities(pair_frames(over_views(truths), over_views(tables)))
    return float(counts.metrics()["IDF1"][0])


@pytest.mark.parametrize(("cameras", "seed"), [(4, 0), (2, 1)])
def test_identities_over_a_minute_are_as_good_as_detections_allow(cameras, seed):
    """Each view exchanges two animals once, breaks tracks, and sees animals that are not there."""
    sessions = trajectories(cameras, 1800, seed)
    random = np.random.default_rng(seed)
    simulated = [as_tracked(session, random) for session in sessions]
    before = [table for table, _ in simulated]
    best = [replace(table, individual=truly) for table, truly in simulated]
    found = match_views(
        sessions[0].rig,
        {session.view: table for session, table in zip(sessions, before, strict=True)},
    )
    after = [found.tables[session.view] for session in sessions]
    ceiling = identity_f1(sessions, best)
    assert ceiling > 0.95
    assert identity_f1(sessions, before) < 0.6
    assert identity_f1(sessions, after) > ceiling - 0.005


@pytest.fixture(scope="module")
def model_dir(project, tmp_path_factory):
    """A top-down model of two cameras' animals, trained as a user would."""
    folder = tmp_path_factory.mktemp("top_down")
    config = folder / "config.yaml"
    config.write_text(
        f"data:\n  data_dir: {project.folder}\n  view_names: [top, front, left]\n"
        f"  csv_file: [{', '.join(path.name for path in project.label_files)}]\n"
        "model: {backbone: resnet10t, backbone_pretrained: false}\n"
        "training: {max_epochs: 1, train_batch_size: 4, num_workers: 0,\n"
        "           train_prob: 0.7, val_prob: 0.2}\n"
        "animals: {count: 2}\n"
    )
    done = run("train", config, "-o", folder / "model")
    assert done.exit_code == 0, done.output
    return folder / "model"


def test_a_project_of_several_cameras_and_animals_trains(model_dir, project):
    """Each view by itself, with the same weights, and so does what finds the animals."""
    assert (model_dir / "detector" / "model.safetensors").is_file()
    for view in project.views:
        assert (model_dir / f"predictions_{view}_pixel_error.csv").is_file()


@pytest.mark.parametrize(
    "change", ["model.model_type=heatmap_multiview_transformer", "losses.reprojection.log_weight=1"]
)
def test_what_sees_one_animal_in_all_views_says_so(model_dir, tmp_path, change):
    done = run("train", model_dir.parent / "config.yaml", "-o", tmp_path / "model", change)
    assert "shows several animals" in str(done.exception)
    assert "matched between the views of a session" in str(done.exception)
    assert not (tmp_path / "model").exists()


def test_a_loss_over_views_is_refused_before_training(model_dir, tmp_path):
    done = run(
        "train", model_dir.parent / "config.yaml", "-o", tmp_path / "model",
        "model.losses_to_use=[pca_multiview]", "data.video_dir=videos",
    )  # fmt: skip
    assert "compares the views of one animal, but images have several" in str(done.exception)
    assert not (tmp_path / "model").exists()
