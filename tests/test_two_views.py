"""A mirror's two views as two cameras: labels, training, metrics and predictions of each."""

import csv
import hashlib
import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from lp_core.regions import Box
from lp_data.labels import read_labels
from lp_data.sessions import ViewNames

ROOT = Path(__file__).parents[1]
VIEWS = {"top": Box(0, 0, 96, 46), "bot": Box(0, 46, 96, 50)}


@pytest.fixture(scope="session")
def cut_views():
    """The tool that cuts a project into its views."""
    spec = importlib.util.spec_from_file_location("cut_views", ROOT / "tools" / "cut_views.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.cut_views


@pytest.fixture(scope="session")
def two_views(project, cut_views, tmp_path_factory):
    """The synthetic project, cut into two cameras; not to be changed."""
    folder = tmp_path_factory.mktemp("views") / "project"
    cut_views(project.folder, folder, VIEWS)
    return folder


def config_of(folder, **data):
    """A config of Lightning Pose's form for several views."""
    named = {
        "data_dir": str(folder),
        "video_dir": "videos",
        "view_names": list(VIEWS),
        "csv_file": [f"CollectedData_{view}.csv" for view in VIEWS],
        **data,
    }
    text = yaml.safe_dump({"data": named, "model": {"model_type": "heatmap"}})
    path = folder.parent / f"{hashlib.sha256(text.encode()).hexdigest()[:8]}.yaml"
    path.write_text(text)
    return path


@pytest.fixture(scope="session")
def config(two_views):
    return config_of(two_views)


@pytest.fixture(scope="session")
def two_view_model(config, tiny_training, tmp_path_factory):
    """A tracker of two views after one epoch, in its model directory, not to be changed."""
    from lp_pipeline.config.load import load_config
    from lp_pipeline.evaluation.after_training import evaluate_training
    from lp_pipeline.training.run import train

    folder = tmp_path_factory.mktemp("models") / "two_views"
    loaded = load_config(config, tiny_training)
    setup = train(loaded, folder)
    evaluate_training(setup, loaded.config, folder)
    return folder


def rows_of(path):
    """The rows of a table below its header, by their first cell."""
    with path.open(newline="") as file:
        return {row[0]: row for row in csv.reader(file) if row[0].startswith("labeled-data")}


def test_a_project_of_two_views_trains_and_each_view_has_its_tables(two_view_model):
    """`multiview_facts` 1.13: tables of each view under Lightning Pose's names."""
    split = {}
    for view in VIEWS:
        labels = read_labels(two_view_model / f"CollectedData_{view}.csv")
        predicted = rows_of(two_view_model / f"predictions_{view}.csv")
        errors = rows_of(two_view_model / f"predictions_{view}_pixel_error.csv")
        assert set(predicted) == set(errors) == set(labels.image_paths)
        split[view] = {path.replace(f"_{view}/", "/"): row[-1] for path, row in predicted.items()}
        assert (two_view_model / f"predictions_{view}_new_pixel_error.csv").is_file()
        assert (two_view_model / f"pixel_error_summary_{view}.csv").is_file()
        assert (
            f"{view}: mean pixel error, validation" in (two_view_model / "report.html").read_text()
        )
    assert split["top"] == split["bot"]  # the views of a frame are in one part
    assert set(split["top"].values()) == {"train", "validation", "test"}


def test_predictions_of_each_view_are_in_px_of_its_own_frames(two_view_model):
    for view in VIEWS:
        rows = rows_of(two_view_model / f"predictions_{view}.csv").values()
        y = np.array([[float(cell) for cell in row[2:-1:3]] for row in rows])
        assert y.min() > -1
        assert y.max() < VIEWS[view].height + 1


def test_rows_in_another_order_and_absent_views_train_alike(two_views, tmp_path, tiny_training):
    """`multiview_facts` 1: labels are joined by session and frame, not by position."""
    from lp_pipeline.builders.labels import get_labels
    from lp_pipeline.config.load import load_config

    folder = shutil.copytree(two_views, tmp_path / "project")
    before = get_labels(load_config(config_of(folder), tiny_training).config)
    path = folder / "CollectedData_bot.csv"
    header, rows = path.read_text().splitlines()[:3], path.read_text().splitlines()[3:]
    path.write_text("\n".join([*header, *rows[:0:-1]]) + "\n")
    table = get_labels(load_config(config_of(folder), tiny_training).config)
    assert len(table) == len(before) - 1
    lost = rows[0].split(",")[0]
    kept = [row for row, image in enumerate(before.image_paths) if image != lost]
    assert table.image_paths == before.rows(kept).image_paths
    np.testing.assert_array_equal(table.points, before.points[kept])
    assert len(set(ViewNames(tuple(VIEWS)).moments(table))) == len(before) // 2


def test_two_label_files_of_one_name_keep_their_copies(two_views, tmp_path, tiny_training):
    """`multiview_facts` 50: tables of two views whose files had one name replaced each other."""
    from lp_pipeline.config.load import load_config
    from lp_pipeline.evaluation.model_project import ModelProject
    from lp_pipeline.training.run import train

    folder = shutil.copytree(two_views, tmp_path / "project")
    for view in VIEWS:
        (folder / view).mkdir()
        shutil.move(folder / f"CollectedData_{view}.csv", folder / view / "labels.csv")
    files = [f"{view}/labels.csv" for view in VIEWS]
    loaded = load_config(config_of(folder, csv_file=files), tiny_training)
    train(loaded, tmp_path / "model")
    for view in VIEWS:
        copy = tmp_path / "model" / f"labels_{view}.csv"
        assert copy.read_bytes() == (folder / view / "labels.csv").read_bytes()
    labels = ModelProject.from_dir(tmp_path / "model").labels
    assert set(labels.view) == set(VIEWS)


SEMI = (
    "model.losses_to_use=[pca_multiview,temporal]",
    "losses.pca_multiview.log_weight=5.0",
    "dali.base.train.sequence_length=4",
    "callbacks.anneal_weight.init_val=1.0",
)


@pytest.mark.parametrize("columns", [None, [0, 1, 7]])
def test_unlabelled_sessions_are_learnt_from_across_views(
    two_views, tmp_path, tiny_training, columns
):
    """`multiview_facts` 41 to 43: keypoints in frame px, views in step, on the CPU."""
    from lp_pipeline.config.load import load_config
    from lp_pipeline.training.setup import set_up

    path = config_of(two_views, mirrored_column_matches=columns)
    setup = set_up(load_config(path, (*tiny_training, *SEMI)).config)
    clip = setup.data.clips[0]
    assert clip["views"] == 2
    assert clip["frames"].shape[0] == 8
    pca = setup.tracker.unsupervised_losses.losses["pca_multiview"]
    assert pca.space.layout.shape == (2, 10 if columns is None else 3)
    assert 0.01 < pca.space.epsilon < 20  # frame px
    value = setup.tracker.evaluate_unlabeled(clip)
    assert value > 0
    value.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in setup.tracker.parameters())


def test_a_semi_supervised_training_of_two_views_runs_and_predicts_its_labels(
    config, tmp_path, tiny_training
):
    """`multiview_facts` 51: without a GPU, and without DALI."""
    from lp_pipeline.config.load import load_config
    from lp_pipeline.evaluation.after_training import evaluate_training
    from lp_pipeline.training.run import train

    loaded = load_config(config, (*tiny_training, *SEMI))
    setup = train(loaded, tmp_path / "model")
    result = evaluate_training(setup, loaded.config, tmp_path / "model")
    assert {view: len(part.labels) for view, part in result.by_view().items()} == {
        "top": 12,
        "bot": 12,
    }
    header = (tmp_path / "model" / "csv_logs" / "metrics.csv").read_text().splitlines()[0]
    assert "train_pca_multiview_loss" in header


# ------------------------------------------------------------------------------------- prediction


JOINT = "model.model_type=heatmap_multiview_transformer"
"""A tracker that looks at all views together."""


@pytest.fixture(scope="session")
def joint_model(config, tiny_training, tmp_path_factory):
    """A tracker of both views together after one epoch, not to be changed."""
    from lp_pipeline.config.load import load_config
    from lp_pipeline.evaluation.after_training import evaluate_training
    from lp_pipeline.training.run import train

    folder = tmp_path_factory.mktemp("models") / "joint"
    settings = [each for each in tiny_training if "backbone" not in each and "stride" not in each]
    more = ("model.backbone=test_vit", "model.backbone_pretrained=false")
    loaded = load_config(config, (*settings, JOINT, *more))
    setup = train(loaded, folder)
    evaluate_training(setup, loaded.config, folder)
    return folder


def test_a_joint_training_on_convolutions_that_is_resumed_ends_as_one_that_was_not(
    config, tiny_training, litpose, tmp_path
):
    """Its blocks learn while the backbone is frozen, and the masks of later steps are the same."""
    kind = "model.model_type=heatmap_multiview_transformer"
    settings = (*tiny_training, kind, "model.joint_blocks=1", "training.unfreezing_epoch=1")
    for name, epochs in (("whole", 2), ("parts", 1)):
        more = (f"training.max_epochs={epochs}", "-o", tmp_path / name)
        outcome = litpose("train", config, *settings, *more)
        assert outcome.code == 0, outcome.err
    begun = blocks_of(tmp_path / "parts")
    resumed = litpose("train", "--resume", tmp_path / "parts", "training.max_epochs=2")
    assert resumed.code == 0, resumed.err
    ended = blocks_of(tmp_path / "whole")
    assert len(ended) == 20
    assert all(np.array_equal(blocks_of(tmp_path / "parts")[name], ended[name]) for name in ended)
    assert not np.array_equal(begun["backbone.update.1.weight"], ended["backbone.update.1.weight"])
    assert begun["backbone.update.1.weight"].any()
    metrics = "csv_logs/metrics.csv"
    assert (tmp_path / "parts" / metrics).read_bytes() == (
        tmp_path / "whole" / metrics
    ).read_bytes()


def test_a_joint_training_starts_from_a_model_of_each_view_alone(
    config, two_view_model, tiny_training
):
    from safetensors.torch import load_file

    from lp_pipeline.config.load import load_config
    from lp_pipeline.training.setup import set_up

    kind = "model.model_type=heatmap_multiview_transformer"
    more = (kind, "training.rng_seed_model_pt=5", f"model.checkpoint={two_view_model}")
    setup = set_up(load_config(config, (*tiny_training, *more)).config)
    weights = setup.tracker.state_dict()
    for name, value in load_file(two_view_model / "model.safetensors").items():
        inner = name.replace("backbone.", "backbone.network.")
        assert np.array_equal(weights[inner], value), name
    assert not weights["backbone.update.1.weight"].any()
    assert "left out, so that it starts from random weights: " in " ".join(setup.notes)


def blocks_of(model_dir):
    """The weights that join the views, by name."""
    from safetensors.numpy import load_file

    weights = load_file(model_dir / "model.safetensors")
    parts = ("backbone.embedding", "backbone.blocks", "backbone.update")
    return {name: value for name, value in weights.items() if name.startswith(parts)}


def table_of(path):
    """x, y and likelihood of each frame of a table of predictions."""
    lines = path.read_text().splitlines()[3:]
    return np.array([[float(cell) for cell in line.split(",")[1:]] for line in lines])


@pytest.fixture
def videos(two_views, tmp_path):
    """A folder with the videos of one session, under names of its own."""
    folder = tmp_path / "videos"
    folder.mkdir()
    for view in VIEWS:
        shutil.copy(two_views / "videos" / f"session_00_{view}.mp4", folder / f"day_{view}.mp4")
    return folder


@pytest.mark.parametrize("model", ["two_view_model", "joint_model"])
def test_a_folder_of_sessions_is_predicted_into_a_table_of_each_video(
    model, request, videos, litpose, tmp_path
):
    """`multiview_facts` 45 to 48: sessions by names, with what is left out and absent named."""
    shutil.copy(videos / "day_top.mp4", videos / "night_top.mp4")
    shutil.copy(videos / "day_top.mp4", videos / "xtop.mp4")
    folder = request.getfixturevalue(model)
    outcome = litpose("predict", folder, videos, "-o", tmp_path / "out")
    assert outcome.code == 0, outcome.err
    assert "night    night_top.mp4  absent" in outcome.out
    assert "left out: xtop.mp4" in outcome.out
    names = {path.stem for path in (tmp_path / "out").glob("*.csv")}
    assert {"day_top", "day_bot", "night_top", "day_bot_temporal_norm"} <= names
    tables = [table_of(tmp_path / "out" / f"{name}.csv") for name in ("day_top", "day_bot")]
    assert [len(table) for table in tables] == [24, 24]
    assert tables[0][:, 1::3].max() < 50
    again = litpose("predict", folder, videos, "-o", tmp_path / "out")
    assert again.out.count("is there already") == (4 if model == "two_view_model" else 3)


def test_the_views_of_a_session_are_seen_together(joint_model, videos, tmp_path):
    """Without the other view, and with one that begins later, predictions are others."""
    from lp_pipeline.model import Model

    model = Model.from_dir(joint_model)
    both = {view: videos / f"day_{view}.mp4" for view in VIEWS}
    together = model.predict_session(both)
    assert {view: len(found.keypoints) for view, found in together.items()} == {
        "top": 24,
        "bot": 24,
    }
    alone = model.predict_session({"top": both["top"]})
    assert set(alone) == {"top"}
    difference = (together["top"].keypoints - alone["top"].keypoints).abs().max()
    assert difference > 0.01
    late = model.predict_session(both, offsets={"bot": 5})
    assert len(late["bot"].keypoints) == 24
    # of the last 5 frames of the view from above there is no other view
    np.testing.assert_allclose(
        late["top"].keypoints[-5:], alone["top"].keypoints[-5:], rtol=0, atol=1e-3
    )
    assert (late["top"].keypoints[:-5] - alone["top"].keypoints[:-5]).abs().max() > 0.01


def test_a_session_without_a_camera_is_predicted_by_the_others_alone(joint_model, videos):
    """`multiview_facts` 48: what is absent takes no time, and changes the others by rounding."""
    from lp_data.inference.joint import JointPredictor, opened_session
    from lp_data.sessions import SessionVideo
    from lp_pipeline.model import Model

    handler, views = Model.from_dir(joint_model).handler, tuple(VIEWS)
    one = [SessionVideo("day", "bot", videos / "day_bot.mp4")]
    with opened_session(one, handler) as session:
        alone = JointPredictor.of_session(handler, views, session)
        assert alone.views == ("bot",)
        found, expected = (
            torch.cat([part.views["bot"].keypoints for part in by.predict(session)])
            for by in (alone, JointPredictor(handler, views))
        )
    assert len(found) == 24
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-3)


def test_an_interrupted_session_goes_on_and_becomes_the_same(joint_model, videos, tmp_path):
    from lp_analysis.prediction.sessions import predict_group
    from lp_analysis.prediction.videos import VideoPredictor
    from lp_data.sessions import SessionVideo
    from lp_pipeline.model import Model

    model = Model.from_dir(joint_model, chunk=10)
    by = VideoPredictor(model.handler, model.scorer, model.calibration)
    session = tuple(SessionVideo("day", view, videos / f"day_{view}.mp4") for view in VIEWS)
    whole = {view: tmp_path / "whole" / f"{view}.csv" for view in VIEWS}
    predict_group(by, model.views.names, session, whole)

    class Stopped(Exception):
        pass

    stops = iter([False, True])
    predict = model.handler.predict_labeled

    def stopping(batch):
        if next(stops):
            raise Stopped
        return predict(batch)

    parts = {view: tmp_path / "parts" / f"{view}.csv" for view in VIEWS}
    model.handler.predict_labeled = stopping
    with pytest.raises(Stopped):
        predict_group(by, model.views.names, session, parts)
    del model.handler.predict_labeled
    assert not parts["top"].exists()
    results = predict_group(by, model.views.names, session, parts, resume=True)
    assert results["bot"].resumed == 5
    for view in VIEWS:
        assert parts[view].read_bytes() == whole[view].read_bytes()


def test_one_camera_alone_is_refused_where_views_are_seen_together(joint_model, videos):
    from lp_core.errors import LPError
    from lp_pipeline.model import Model

    with pytest.raises(LPError, match="several views of a frame together"):
        Model.from_dir(joint_model).predict_video(videos / "day_top.mp4")


def test_label_files_of_views_are_predicted_together_if_the_tracker_needs_them(
    joint_model, two_views, litpose, tmp_path
):
    """`multiview_facts` 49: label files of several views could not be predicted by a command."""
    files = [two_views / f"CollectedData_{view}_new.csv" for view in VIEWS]
    outcome = litpose("predict", joint_model, *files, "-o", tmp_path / "out")
    assert outcome.code == 0, outcome.err
    for file in files:
        rows = rows_of(tmp_path / "out" / file.stem / "predictions.csv")
        assert set(rows) == set(read_labels(file).image_paths)
    assert (joint_model / "predictions_top_new_pixel_error.csv").is_file()


def test_the_split_of_the_training_is_told_of_label_files(
    two_view_model, two_views, litpose, tmp_path
):
    """`multiview_facts` 52: shares that were overridden did not count, and sets were wrong."""
    for view in VIEWS:
        files = [two_views / f"CollectedData_{view}{end}.csv" for end in ("", "_new")]
        outcome = litpose("predict", two_view_model, *files, "-o", tmp_path / "out")
        assert outcome.code == 0, outcome.err
        at_training = rows_of(two_view_model / f"predictions_{view}.csv")
        known, new = (rows_of(tmp_path / "out" / f.stem / "predictions.csv") for f in files)
        assert {k: row[-1] for k, row in known.items()} == {
            k: row[-1] for k, row in at_training.items()
        }
        assert {row[-1] for row in known.values()} == {"train", "validation", "test"}
        assert {row[-1] for row in new.values()} == {"test"}


def test_a_manifest_names_sessions_and_tables(two_view_model, videos, litpose, tmp_path):
    (videos / "day_bot.mp4").rename(videos / "b.mp4")
    (videos / "sessions.csv").write_text("session,view,video\nfirst,bot,b.mp4\n")
    outcome = litpose("predict", two_view_model, videos, "-o", tmp_path / "out")
    assert outcome.code == 0, outcome.err
    assert (tmp_path / "out" / "first_bot.csv").is_file()
    assert (tmp_path / "out" / "day_top.csv").is_file()


def test_videos_are_predicted_after_training_session_by_session(config, tiny_training, tmp_path):
    from lp_pipeline.config.load import load_config
    from lp_pipeline.evaluation.after_training import follow_up
    from lp_pipeline.training.run import train

    settings = [each for each in tiny_training if "backbone" not in each and "stride" not in each]
    more = ("model.backbone=test_vit", "model.backbone_pretrained=false")
    after = "eval.predict_vids_after_training=true"
    kind = JOINT
    loaded = load_config(config, (*settings, kind, *more, after))
    setup = train(loaded, tmp_path / "model")
    result, tables = follow_up(setup, loaded.config, tmp_path / "model")
    assert result is not None
    assert {table.stem for table in tables} == {"session_00_top", "session_00_bot"}
    assert all(table.is_file() for table in tables)
    assert "session_00_top" in (tmp_path / "model" / "report.html").read_text()


# ------------------------------------------------------------------------------------------ check


def test_a_check_knows_views_and_says_what_goes_together(two_views, litpose):
    outcome = litpose("check", two_views)
    assert outcome.code == 0, outcome.out
    lines = [" ".join(line.split()) for line in outcome.out.splitlines()]
    assert "views bot, top" in lines
    assert "views per frame 15 of 2 views" in lines
    assert "calibration none" in lines
    assert "session bot top" in lines
    assert "session_00 session_00_bot.mp4 session_00_top.mp4" in lines


def test_a_check_finds_what_is_absent_unequal_or_of_no_view(two_views, litpose, tmp_path):
    """`multiview_facts` 10, 11 and 45 to 54: nothing is left out without being named."""
    folder = shutil.copytree(two_views, tmp_path / "project")
    labels = folder / "CollectedData_bot.csv"
    labels.write_text("\n".join(labels.read_text().splitlines()[:-2]) + "\n")
    videos = folder / "videos"
    shutil.copy(folder / "videos_test" / "test_top.mp4", videos / "session_00_top.mp4")
    shutil.copy(videos / "session_00_top.mp4", videos / "night_top.mp4")
    shutil.copy(videos / "session_00_top.mp4", videos / "spare.mp4")
    lines = ['[cam_0]\nname = "top"\nsize = [96, 46]']
    lines.append(
        "matrix = [[90.0, 0, 48], [0, 90, 23], [0, 0, 1]]\ndistortions = [0.0, 0, 0, 0, 0]"
    )
    lines.append("rotation = [0.0, 0, 0]\ntranslation = [0.0, 0, 0]")
    (folder / "calibration.toml").write_text("\n".join(lines))
    outcome = litpose("check", folder, "--verbose")
    assert "the view 'bot' has no row for 2 of 15 frames" in outcome.out
    assert "session_00_top.mp4 16 frames" in outcome.out
    assert "session 'night' has no video of the view 'bot'" in outcome.out
    assert "spare.mp4" in outcome.out
    assert "the rig has no camera 'bot'" in outcome.out
    assert outcome.code == 2


def rig_of(sizes):
    """A rig with a camera for each view, of images of (width, height)."""
    from lp_core.geometry.cameras import Camera, Rig

    return Rig(tuple(Camera(v, size, np.diag([90.0, 90, 1])) for v, size in sizes.items()))


def test_calibrated_cameras_go_into_the_batches_of_views_together(
    two_views, tiny_training, tmp_path
):
    """`multiview_facts` 8, 10 and 14: cameras by name, and of the images that there are."""
    from lp_core.errors import CameraError
    from lp_data.datasets.labeled import collate
    from lp_io.calibration import write_rig
    from lp_pipeline.builders.data import get_dataset
    from lp_pipeline.builders.labels import get_labels
    from lp_pipeline.builders.model import get_tracker_class
    from lp_pipeline.config.load import load_config

    folder = shutil.copytree(two_views, tmp_path / "project")
    sizes = {view: (box.width, box.height) for view, box in reversed(VIEWS.items())}
    write_rig(rig_of(sizes), folder / "calibration.toml")
    kind = JOINT
    settings = [each for each in tiny_training if "stride" not in each]
    config = load_config(config_of(folder), (*settings, kind)).config

    def dataset():
        return get_dataset(config, get_tracker_class(config), get_labels(config))

    joint = dataset()
    batch = collate([joint[0], joint[1]])
    keypoints = len(joint.table.keypoint_names)
    assert batch["cameras"].shape == (2, 2, keypoints, 2, 4)  # in the order of view_names
    write_rig(rig_of({"top": (96, 46), "bot": (192, 100)}), folder / "calibration.toml")
    with pytest.raises(CameraError, match="192 × 100"):
        dataset()


@pytest.mark.parametrize(
    ("imgaug", "moves"),
    [
        ("dlc-mv", True),
        ("dlc", True),
        ("[{Resize: {probability: 0.5}}]", None),
        ("{Rotate: {p: 0.5, kwargs: {rotate: 9}}}", True),
        ("none", False),
        ("default", False),
    ],
)
def test_animals_move_in_space_with_every_augmentation_but_none(
    imgaug, moves, two_views, tiny_training, tmp_path
):
    """`multiview_facts` 21 and 40: what held the word Resize stopped it, and dlc-mv was refused."""
    from lp_core.errors import LPError
    from lp_io.calibration import write_rig
    from lp_pipeline.builders.data import get_dataset
    from lp_pipeline.builders.labels import get_labels
    from lp_pipeline.builders.model import get_tracker_class
    from lp_pipeline.config.load import load_config

    folder = shutil.copytree(two_views, tmp_path / "project")
    sizes = {view: (box.width, box.height) for view, box in VIEWS.items()}
    write_rig(rig_around(sizes), folder / "calibration.toml")
    settings = [each for each in tiny_training if "stride" not in each]
    settings += [JOINT, f"losses.{REPROJECTION}.log_weight=3.0", f"training.imgaug={imgaug}"]
    if moves is None:
        with pytest.raises(LPError, match="Resize"):
            load_config(config_of(folder), settings)
        return
    places = []
    for still in ("true", "false"):
        given = (*settings, f"training.imgaug_3d={still}")
        config = load_config(config_of(folder), given).config
        dataset = get_dataset(config, get_tracker_class(config), get_labels(config))
        places.append(np.stack([dataset[row][0]["cameras"] for row in range(2)]))
    assert np.allclose(*places, equal_nan=True) == (not moves)


def test_frames_outside_the_table_of_cameras_are_evaluated_without_it(
    two_views, tiny_training, tmp_path
):
    """`multiview_facts` 22: the evaluation of new labels asked for a table of their cameras."""
    from lp_io.calibration import write_rig
    from lp_pipeline.config.load import load_config
    from lp_pipeline.evaluation.after_training import evaluate_training
    from lp_pipeline.training.run import train

    folder = shutil.copytree(two_views, tmp_path / "project")
    sizes = {view: (box.width, box.height) for view, box in VIEWS.items()}
    write_rig(rig_of(sizes), folder / "rig.toml")
    images = read_labels(folder / "CollectedData_top.csv").image_paths
    rows = [f"{image.replace('_top/', '/')},rig.toml" for image in images]
    (folder / "cameras.csv").write_text("\n".join(["image,file", *rows]) + "\n")
    settings = [each for each in tiny_training if "backbone" not in each and "stride" not in each]
    more = ("model.backbone=test_vit", "model.backbone_pretrained=false")
    path = config_of(folder, camera_params_file="cameras.csv")
    loaded = load_config(path, (*settings, JOINT, *more))
    setup = train(loaded, tmp_path / "model")
    evaluate_training(setup, loaded.config, tmp_path / "model")
    assert (tmp_path / "model" / "predictions_bot_new.csv").is_file()


def test_a_tracker_with_context_learns_several_views_beside_a_calibration(
    two_views, tiny_training, tmp_path
):
    """`multiview_facts` 24: a calibration in the project stopped trackers with context."""
    from lp_data.datasets.labeled import collate
    from lp_pipeline.config.load import load_config
    from lp_pipeline.training.setup import set_up

    folder = shutil.copytree(two_views, tmp_path / "project")
    (folder / "calibration.toml").write_text("this is read by trackers of views together only")
    settings = [each for each in tiny_training if "stride" not in each]
    semi = ("model.losses_to_use=[temporal]", "dali.context.train.batch_size=6")
    loaded = load_config(config_of(folder), (*settings, "model.model_type=heatmap_mhcrnn", *semi))
    setup = set_up(loaded.config)
    dataset = setup.data.dataset
    batch = collate([dataset[0], dataset[1]])
    assert batch["images"].shape == (2, 5, 3, 64, 64)
    assert batch["view"].tolist() == [0, 1]
    assert "cameras" not in batch
    clip = setup.data.clips[0]
    assert clip["views"] == 2
    value = setup.tracker.evaluate_unlabeled(clip)
    value.backward()
    assert value.isfinite()


def test_box_files_that_are_not_there_are_named(two_views):
    """`multiview_facts` 23: a config named box files that nobody had made."""
    from lp_pipeline.config.load import load_config
    from lp_pipeline.errors import ConfigError

    path = config_of(two_views, bbox_file=["bboxes_top.csv", "bboxes_bot.csv"])
    with pytest.raises(ConfigError, match=r"there is no box file .*bboxes_top\.csv"):
        load_config(path, check_paths=True)


def box_of(view, number):
    """A box that moves from frame to frame, within the frames of a view: x, y, h, w."""
    return 10 + number % 7, 4 + number % 5, VIEWS[view].height - 9, 70 + number % 3


def within(view, number, points):
    x, y, height, width = box_of(view, number)
    low, high = np.array([x, y]), np.array([x + width, y + height])
    return bool(((points > low - 1) & (points < high)).all())


@pytest.fixture
def boxed_views(two_views, tmp_path):
    """The project with boxes for the images and the videos of each view."""
    folder = shutil.copytree(two_views, tmp_path / "project")
    for view in VIEWS:
        files = [folder / f"CollectedData_{view}{end}.csv" for end in ("", "_new")]
        images = [image for file in files for image in read_labels(file).image_paths]
        rows = [f"{image},{_cells(box_of(view, n))}" for n, image in enumerate(images)]
        (folder / f"boxes_{view}.csv").write_text("\n".join([",x,y,h,w", *rows[::-1]]) + "\n")
        rows = [f"{number},{_cells(box_of(view, number))}" for number in range(24)]
        text = "\n".join([",x,y,h,w", *rows]) + "\n"
        (folder / "videos" / f"session_00_{view}_bbox.csv").write_text(text)
    return folder


def _cells(box):
    return ",".join(map(str, box))


@pytest.mark.parametrize("kind", ["context", "joint"])
def test_boxes_of_each_view_are_used_from_training_to_evaluation(
    kind, boxed_views, tiny_training, litpose, tmp_path
):
    """`multiview_facts` 1.11, 24, 25 and 55: also in the clips of unlabelled sessions in step."""
    from lp_pipeline.config.load import load_config
    from lp_pipeline.training.run import train

    settings = [each for each in tiny_training if "stride" not in each]
    settings += [*SEMI, "dali.context.train.batch_size=6", "training.limit_train_batches=2"]
    if kind == "joint":
        settings += [JOINT, "model.backbone=test_vit"]
    else:
        settings += ["model.model_type=heatmap_mhcrnn"]
    path = config_of(boxed_views, bbox_file=[f"boxes_{view}.csv" for view in VIEWS])
    loaded, model = load_config(path, settings), tmp_path / "model"
    clip = train(loaded, model).data.clips[0]
    assert clip["views"] == 2
    assert len(np.unique(clip["to_frame"].numpy(), axis=0)) > 2
    outcome = litpose("predict", model, boxed_views / "videos", "-o", tmp_path / "out")
    assert outcome.code == 0, outcome.err
    assert litpose("evaluate", model).code == 0
    for view in VIEWS:
        points = table_of(tmp_path / "out" / f"session_00_{view}.csv").reshape(24, -1, 3)[..., :2]
        assert all(within(view, number, own) for number, own in enumerate(points))
        rows = rows_of(model / f"predictions_{view}.csv")
        images = read_labels(model / f"CollectedData_{view}.csv").image_paths
        for number, image in enumerate(images):
            values = np.array([float(cell) for cell in rows[image][1:-1]]).reshape(-1, 3)
            assert within(view, number, values[:, :2])


def test_boxes_of_each_view_cut_its_frames_in_a_session(joint_model, videos):
    """`multiview_facts` 3.1: boxes of whole frames change nothing; others do, in frame px."""
    from lp_pipeline.model import Model

    boxes = {}
    for view, box in VIEWS.items():
        rows = [f"{frame},0,0,{box.height},{box.width}" for frame in range(24)]
        boxes[view] = videos / f"day_{view}_bbox.csv"
        boxes[view].write_text("\n".join([",x,y,h,w", *rows]) + "\n")
    model = Model.from_dir(joint_model)
    both = {view: videos / f"day_{view}.mp4" for view in VIEWS}
    whole, cut = model.predict_session(both), model.predict_session(both, boxes=boxes)
    for view in VIEWS:
        np.testing.assert_allclose(whole[view].keypoints, cut[view].keypoints, rtol=0, atol=0.05)
    text = boxes["top"].read_text().replace(",0,0,46,96", ",30,6,40,60")
    boxes["top"].write_text(text)
    moved = model.predict_session(both, boxes=boxes)["top"].keypoints
    assert moved[..., 0].min() > 29
    assert moved[..., 1].min() > 5


REPROJECTION = "supervised_reprojection_heatmap_mse"


def rig_around(sizes):
    """Cameras on both sides of the origin, of images of (width, height)."""
    from lp_core.geometry.cameras import Camera, Rig

    def camera(name, size, side):
        turn = np.array([[0, side, 0], [0, 0, -1.0], [-side, 0, 0]])
        matrix = np.array([[90.0, 0, size[0] / 2], [0, 90, size[1] / 2], [0, 0, 1]])
        tilt = np.array([[1, 0, 0], [0, np.cos(0.4), -np.sin(0.4)], [0, np.sin(0.4), np.cos(0.4)]])
        move = np.array([0.0, 0.0, 300.0])
        return Camera(name, size, matrix, rotation=tilt @ turn, translation=move)

    sides = zip(sizes.items(), (1, -0.5), strict=True)
    return Rig(tuple(camera(name, size, np.sign(side)) for (name, size), side in sides))


@pytest.mark.parametrize("kind", ["heatmap", "joint"])
def test_a_config_of_lightning_pose_with_cameras_trains_unchanged(
    kind, two_views, tiny_training, tmp_path
):
    """The loss of `multiview_facts` 1.8 runs for both kinds of trackers, or says what it lacks."""
    from lp_core.errors import LossError
    from lp_io.calibration import write_rig
    from lp_pipeline.config.load import load_config
    from lp_pipeline.training.run import train

    folder = shutil.copytree(two_views, tmp_path / "project")
    settings = [each for each in tiny_training if "backbone" not in each and "stride" not in each]
    settings += ["model.backbone=test_vit", "model.backbone_pretrained=false"]
    settings += [f"losses.{REPROJECTION}.log_weight=3.0", "training.imgaug_3d=true"]
    settings += ["training.patch_mask={init_epoch: 0, final_epoch: 1}"]
    if kind == "joint":
        settings.append(JOINT)
    with pytest.raises(LossError, match="needs calibrated cameras"):
        train(load_config(config_of(folder), settings), tmp_path / "without")
    off = [*settings, f"losses.{REPROJECTION}.log_weight=null"]
    assert REPROJECTION not in load_config(config_of(folder), off).config.losses
    sizes = {view: (box.width, box.height) for view, box in VIEWS.items()}
    write_rig(rig_around(sizes), folder / "calibration.toml")
    train(load_config(config_of(folder), settings), tmp_path / "model")
    (logged,) = (tmp_path / "model").rglob("metrics.csv")
    assert f"train_{REPROJECTION}_loss" in logged.read_text()
