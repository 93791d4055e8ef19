"""A tracker that looks at two overlapping boxes of each frame trains, predicts and evaluates."""

import shutil

import cv2
import numpy as np
import pandas as pd
import pytest
import torch

from lp_data.video.open import open_video
from lp_pipeline.model import Model

TOP, BOT = (0, -3, 52, 96), (0, 38, 61, 96)  # x, y, h, w of frames of 96 x 96 px; both reach over
SIZE = 64


def shifted(box, number):
    """Boxes that differ from frame to frame."""
    x, y, height, width = box
    return x + number % 4, y + number % 3, height, width - number % 5


def table(boxes, head=",x,y,h,w"):
    lines = [f"{name},{','.join(map(str, box))}" for name, box in boxes]
    return "\n".join([head, *lines]) + "\n"


@pytest.fixture(scope="module")
def boxed(project, tmp_path_factory):
    """A project with a file of boxes for each view of the mirror, in another order than labels."""
    folder = shutil.copytree(project.folder, tmp_path_factory.mktemp("boxed") / "project")
    (folder / "CollectedData_new.csv").unlink()
    lines = (folder / "CollectedData.csv").read_text().splitlines()[3:]
    images = [line.split(",")[0] for line in lines]
    boxes = {"top": {}, "bot": {}}
    for number, image in enumerate(images):
        boxes["top"][image], boxes["bot"][image] = shifted(TOP, number), shifted(BOT, number)
    for view, found in boxes.items():
        (folder / f"boxes_{view}.csv").write_text(table(reversed(found.items())))
    (video,) = (folder / "videos").iterdir()
    rows = [
        (number, (*shifted(box, number), view))
        for number in range(24)
        for view, box in (("bot", BOT), ("top", TOP))
    ]
    (folder / "video_boxes.csv").write_text(table(rows, "frame,x,y,h,w,view"))
    (folder.parent / "config.yaml").write_text(
        f"data: {{data_dir: {folder}, bbox_file: {{top: boxes_top.csv, bot: boxes_bot.csv}}}}\n"
        "model: {model_type: heatmap}\n"
    )
    return folder, boxes, video


@pytest.fixture(scope="module")
def model(boxed, tiny_training, tmp_path_factory):
    from lp_pipeline.config.load import load_config
    from lp_pipeline.evaluation.after_training import evaluate_training
    from lp_pipeline.training.run import train

    folder, _, _ = boxed
    config = folder.parent / "config.yaml"
    target = tmp_path_factory.mktemp("models") / "model"
    loaded = load_config(config, (*tiny_training, "training.max_epochs=3"))
    evaluate_training(train(loaded, target), loaded.config, target)
    return target


def test_boxes_that_are_missing_after_the_training_are_told_before_it(
    boxed, tiny_training, tmp_path
):
    from lp_core.errors import LPError
    from lp_pipeline.config.load import load_config
    from lp_pipeline.training.run import train

    folder = boxed[0]
    later = ("eval.predict_vids_after_training=true", "eval.test_videos_directory=videos")
    loaded = load_config(folder.parent / "config.yaml", (*tiny_training, *later))
    with pytest.raises(LPError, match="could not be predicted after the training: there are no"):
        train(loaded, tmp_path / "a")
    labels = folder / "CollectedData_new.csv"
    lines = (folder / "CollectedData.csv").read_text().splitlines()
    image = lines[3].split(",")[0]
    shutil.copy(folder / image, (folder / image).with_name("img99999999.png"))
    name = image.rpartition("/")[0] + "/img99999999.png"
    labels.write_text("\n".join([*lines[:3], lines[3].replace(image, name)]) + "\n")
    loaded = load_config(folder.parent / "config.yaml", tiny_training)
    try:
        with pytest.raises(LPError, match=f"there is no box for '{name}'"):
            train(loaded, tmp_path / "b")
    finally:
        labels.unlink()


def expected(tracker, frame, boxes):
    """Keypoints and confidences in frame px, without lp's crops, maps and rules."""
    padded = np.zeros((frame.shape[0] + 200, frame.shape[1] + 200, 3), np.uint8)
    padded[100:-100, 100:-100] = frame
    found = {}
    for view, (x, y, height, width) in boxes.items():
        part = padded[100 + y : 100 + y + height, 100 + x : 100 + x + width]
        small = cv2.resize(np.ascontiguousarray(part), (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)
        batch = {"frames": torch.from_numpy(small.transpose(2, 0, 1)[None].copy())}
        with torch.no_grad():
            points, trust = tracker.predict_step(batch | {"to_frame": torch.eye(3)[None, :2]})
        points = points[0].double().numpy()
        scale = np.array([width, height]) / SIZE
        found[view] = (points + 0.5) * scale - 0.5 + [x, y], trust[0].numpy()
    names = tracker.options.keypoint_names
    chosen = [found[name.rpartition("_")[2]] for name in names]
    points = np.array([points[place] for place, (points, _) in enumerate(chosen)])
    return points, np.array([trust[place] for place, (_, trust) in enumerate(chosen)])


def read(path):
    frame = pd.read_csv(path, header=[0, 1, 2], index_col=0)
    values = frame[[c for c in frame.columns if c[2] in ("x", "y", "likelihood")]].to_numpy(float)
    values = values.reshape(len(frame), -1, 3)
    return list(frame.index), values[..., :2], values[..., 2]


def test_labelled_frames_come_back_in_frame_px(boxed, model):
    """`multiview_facts` 55 and 68: labelled images were never cut, or otherwise than videos."""
    folder, boxes, _ = boxed
    images, points, trust = read(model / "predictions.csv")
    assert sorted(images) == sorted(boxes["top"])
    tracker = Model.from_dir(model, device="cpu").tracker.eval()
    for row, image in enumerate(images):
        frame = cv2.imread(str(folder / image))[..., ::-1]
        want, sure = expected(tracker, frame, {view: boxes[view][image] for view in boxes})
        assert np.abs(points[row] - want).max() < 1e-3
        assert np.abs(trust[row] - sure).max() < 1e-3
    tops = [name.endswith("_top") for name in tracker.options.keypoint_names]
    assert points[:, tops, 1].max() < 52
    assert points[:, np.logical_not(tops), 1].min() > 37


def test_a_video_is_predicted_by_boxes_that_are_named_or_lie_beside_it(
    boxed, model, litpose, tmp_path
):
    """`multiview_facts` 56 and 61: sizes of boxes differ, and each is that of its own frame."""
    folder, _, video = boxed
    refused = litpose("predict", model, video, "-o", tmp_path / "a", "--device", "cpu")
    assert refused.code == 2
    assert "there are no boxes of this video" in refused.err
    assert "--boxes" in refused.err
    named = ("--boxes", folder / "video_boxes.csv", "--device", "cpu")
    done = litpose("predict", model, video, "-o", tmp_path / "a", *named)
    assert done.code == 0, done.err
    numbers, points, trust = read(tmp_path / "a" / f"{video.stem}.csv")
    assert numbers == list(range(24))
    tracker = Model.from_dir(model, device="cpu").tracker.eval()
    with open_video(video) as source:
        frames = source.read(0, 24)
    for number in (0, 7, 23):
        boxes = {"top": shifted(TOP, number), "bot": shifted(BOT, number)}
        want, sure = expected(tracker, frames[number], boxes)
        assert np.abs(points[number] - want).max() < 1e-3
        assert np.abs(trust[number] - sure).max() < 1e-3
    beside = tmp_path / "beside"
    beside.mkdir()
    shutil.copy(video, beside)
    shutil.copy(folder / "video_boxes.csv", beside / f"{video.stem}_bbox.csv")
    copy = beside / video.name
    assert litpose("predict", model, copy, "-o", tmp_path / "b", "--device", "cpu").code == 0
    assert (tmp_path / "b" / f"{video.stem}.csv").read_bytes() == (
        tmp_path / "a" / f"{video.stem}.csv"
    ).read_bytes()
    parts = Model.from_dir(model, device="cpu").predict_video(
        video, boxes=folder / "video_boxes.csv"
    )
    assert np.abs(parts.keypoints.numpy() - points).max() < 1e-3


def test_context_is_cut_to_the_box_of_the_frame_in_the_middle(project, tmp_path):
    """`multiview_facts` 64: a labelled neighbour kept a box of its own, so that windows jumped."""
    from lp_core.regions import Box
    from lp_data.inference.cuts import opened_to_predict
    from lp_data.inference.handler import PredictionHandler
    from lp_data.regions import CutVideo, read_boxes
    from lp_io.checkpoint import get_model_class, save_model

    kind = get_model_class("heatmap_mhcrnn")
    backbone = {"backbone": "resnet10t", "backbone_pretrained": False}
    options = kind.Options(keypoint_names=("a", "b"), image_size=(64, 64), **backbone)
    torch.manual_seed(0)
    save_model(tmp_path, kind(options))
    model = Model.from_dir(tmp_path, device="cpu", chunk=10)
    boxes = [(3 + n * 7 % 20, 2 + n * 5 % 15, 60, 70) for n in range(16)]
    (tmp_path / "boxes.csv").write_text(table(enumerate(boxes)))
    found = model.predict_video(project.test_video, boxes=tmp_path / "boxes.csv").keypoints
    for number in (0, 1, 9, 15):
        x, y, height, width = boxes[number]
        one = [Box(x, y, width, height)] * 16  # the same box in all frames
        with open_video(project.test_video) as source:
            cut = CutVideo(source, one, (64, 64))
            handler = PredictionHandler(model.tracker, device="cpu", chunk=10)
            alone = torch.cat([part.keypoints for part in handler.predict_video(cut)])
        torch.testing.assert_close(found[number], alone[number], rtol=0, atol=1e-3)
    given = read_boxes([tmp_path / "boxes.csv"])
    with opened_to_predict(handler, project.test_video, boxes=given) as (_, predict):
        late = torch.cat([part.keypoints for part in predict(7)])  # as where it was interrupted
    torch.testing.assert_close(late, found[7:], rtol=0, atol=0)


def test_a_table_of_other_boxes_is_not_taken_for_one_of_these(boxed, model, litpose, tmp_path):
    folder, _, video = boxed
    first = ("--boxes", folder / "video_boxes.csv", "--device", "cpu", "-o", tmp_path)
    assert litpose("predict", model, video, *first).code == 0
    text = (folder / "video_boxes.csv").read_text()
    other = tmp_path / "other.csv"
    other.write_text(text.replace("\n0,0,38,", "\n0,1,38,"))
    assert other.read_text() != text
    again = litpose("predict", model, video, "--boxes", other, "-o", tmp_path, "--device", "cpu")
    assert again.code == 2
    assert "with other boxes" in again.err


def test_evaluation_uses_the_boxes_and_a_label_file_those_that_are_named(
    boxed, model, litpose, tmp_path
):
    folder, _, _ = boxed
    before = (model / "predictions.csv").read_bytes()
    assert litpose("evaluate", model, "--device", "cpu").code == 0
    assert (model / "predictions.csv").read_bytes() == before
    labels = folder / "CollectedData.csv"
    outcome = litpose("predict", model, labels, "-o", tmp_path, "--device", "cpu")
    assert outcome.code == 0, outcome.err
    _, points, _ = read(tmp_path / labels.stem / "predictions.csv")
    assert np.abs(points - read(model / "predictions.csv")[1]).max() < 1e-3
    lines = (folder / "boxes_top.csv").read_text().splitlines()
    (tmp_path / "few.csv").write_text("\n".join(lines[:-1]) + "\n")
    named = ("--boxes", tmp_path / "few.csv", "--overwrite", "-o", tmp_path)
    refused = litpose("predict", model, labels, *named, "--device", "cpu")
    assert refused.code == 2
    assert "there is no box for 'labeled-data/" in refused.err


def test_unlabelled_videos_are_cut_to_the_boxes_beside_them(boxed, tiny_training, tmp_path):
    from lp_core.errors import LPError
    from lp_pipeline.config.load import load_config
    from lp_pipeline.training.setup import set_up

    folder, _, video = boxed
    overrides = (
        *tiny_training, "data.video_dir=videos", "model.losses_to_use=[temporal]",
        "dali.base.train.sequence_length=4",
    )  # fmt: skip
    config = load_config(folder.parent / "config.yaml", overrides).config
    with pytest.raises(LPError, match="no boxes of this video"):
        set_up(config)
    beside = folder / "videos" / f"{video.stem}_bbox.csv"
    shutil.copy(folder / "video_boxes.csv", beside)
    try:
        setup = set_up(config)
        setup.data.setup("fit")
        batch = next(iter(setup.data.train_dataloader()))[0]
    finally:
        beside.unlink()
    clip = batch["unlabeled"]
    assert clip["frames"].shape == (4, 3, SIZE, SIZE)
    assert len(np.unique(clip["to_frame"].numpy(), axis=0)) == 4
    loss = setup.tracker.training_step(batch)
    assert loss.isfinite()


def test_dali_does_not_cut_frames(boxed, tiny_training):
    from lp_data.datasets.clips import build_clips
    from lp_data.errors import BoxFileError

    with pytest.raises(BoxFileError, match="DALI does not cut") as caught:
        build_clips([boxed[2]], 4, (SIZE, SIZE), reader="dali", runs=lambda video: [])
    assert "dali.reader" in caught.value.remedy


def test_a_tracker_of_many_animals_is_not_written_as_one(model, monkeypatch):
    from lp_core.errors import TrackerError
    from lp_data.inference.handler import PredictionHandler

    tracker = Model.from_dir(model, device="cpu").tracker
    monkeypatch.setattr(type(tracker), "instances", "many")
    handler = PredictionHandler(tracker, device="cpu")
    frames = np.zeros((2, *handler.image_size, 3), np.uint8)
    with pytest.raises(TrackerError, match="several animals per image"):
        list(handler.predict_frames([frames], handler.image_size))


def test_several_individuals_in_one_video_are_refused(boxed, model, litpose, tmp_path):
    folder, _, video = boxed
    text = (folder / "video_boxes.csv").read_text().replace("view", "individual")
    (tmp_path / "animals.csv").write_text(text)
    named = ("--boxes", tmp_path / "animals.csv", "-o", tmp_path, "--device", "cpu")
    refused = litpose("predict", model, video, *named)
    assert refused.code == 2
    assert "several individuals: bot, top" in refused.err
