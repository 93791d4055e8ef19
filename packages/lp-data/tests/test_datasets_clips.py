"""Clips are consecutive frames, the same ones whoever loads them."""

from __future__ import annotations

import pickle
import threading
from collections import Counter
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from lp_core.geometry import affine
from lp_core.poses import PoseTable, Skeleton
from lp_data.augmentation.effect import Augmented
from lp_data.datamodule import SemiSupervisedDataModule
from lp_data.datasets.clips import ClipDataset, InStep, build_clips
from lp_data.datasets.labeled import LabeledDataset
from lp_data.errors import DataModuleError, VideoError
from lp_data.loading.loader import EpochSampler, ResumableLoader, begin_worker
from lp_data.sessions import SessionManifest, SessionVideo
from lp_data.split import split_rows
from lp_data.testing.encoding import Encoding, encode
from lp_data.video.base import Source
from lp_data.video.index import build_index
from lp_data.video.pyav_source import PyAVSource

SIZE = (8, 10)


class Numbered(Source):
    """A video that is not on disk; each frame shows its number, and the length of the video."""

    fps = Fraction(30)
    size = (16, 20)
    opened = 0

    def __init__(self, path):
        super().__init__(path, None)
        self.length = int(path.stem)
        Numbered.opened += 1

    def __len__(self):
        return self.length

    def _decode(self, indices, out):
        out[..., 0] = np.asarray(indices)[:, None, None]
        out[..., 1] = self.length

    def _release(self):
        Numbered.opened -= 1


def clips(*lengths, num_frames=4, **options):
    """Clips of videos with so many frames each: ``"40.mp4"`` has 40."""
    videos = [f"{length}.mp4" for length in lengths]
    return ClipDataset(videos, num_frames, SIZE, open_video=Numbered, **options)


def shown(clip):
    """(frame numbers, length of the video) of a clip."""
    return clip["frames"][:, 0, 0, 0].tolist(), int(clip["frames"][0, 1, 0, 0])


def test_a_clip_follows_the_contract():
    clip = clips(30)[0]
    assert clip["frames"].shape == (4, 3, *SIZE)
    assert clip["frames"].dtype == torch.uint8
    assert clip["to_frame"].shape == (4, 2, 3)
    expected = affine.resizing(SIZE, Numbered.size).float()
    torch.testing.assert_close(clip["to_frame"][3], expected)


def test_frames_are_consecutive_and_every_start_occurs():
    dataset = clips(9, 6)
    seen = Counter()
    for index in range(400):
        numbers, length = shown(dataset[index])
        assert numbers == list(range(numbers[0], numbers[0] + 4))
        seen[length, numbers[0]] += 1
    assert set(seen) == {(9, start) for start in range(6)} | {(6, start) for start in range(3)}
    assert len(dataset) == 9
    assert min(seen.values()) > 400 / 9 / 2  # each as probable as the others


def test_longer_videos_come_more_often():
    dataset = clips(103, 13)  # 100 clips and 10
    lengths = Counter(shown(dataset[index])[1] for index in range(600))
    assert lengths[103] / 600 == pytest.approx(100 / 110, abs=0.04)


def test_chance_depends_on_seed_epoch_and_index():
    def drawn(seed, epoch):
        dataset = clips(100, 200, seed=seed)
        dataset.set_epoch(epoch)
        return [shown(dataset[i]) for i in range(6)]

    assert drawn(0, 0) == drawn(0, 0)
    assert drawn(0, 0) != drawn(0, 1)
    assert drawn(0, 0) != drawn(1, 0)


def test_one_geometry_for_the_whole_clip_is_undone():
    def move(images, keypoints, rng):
        assert images.shape == (4, *SIZE, 3)
        assert keypoints.shape == (0, 2)
        return Augmented(np.roll(images, 3, 2), keypoints, np.array([[1.0, 0, 3], [0, 1, 0]]))

    clip = clips(30, augmenter=move)[0]
    # Model px (3, 0) shows what was model px (0, 0): frame px (0.5, 0.5) at half the size.
    point = torch.tensor([[3.0, 0.0]])
    for matrix in clip["to_frame"]:
        torch.testing.assert_close(affine.transform(point, matrix), torch.tensor([[0.5, 0.5]]))


def session_clips(*videos, views=("a", "b"), jointly=False, **options):
    """Clips of sessions: ``("s", "a", 40, 2)`` is a video of 40 frames with an offset of 2."""
    found = [
        SessionVideo(session, view, Path(f"{session}_{view}/{length}.mp4"), offset=offset)
        for session, view, length, offset in videos
    ]
    manifest = SessionManifest(views, tuple(found))
    return ClipDataset(
        [video.video for video in found], 4, SIZE, open_video=Numbered,
        in_step=InStep(manifest, jointly), **options,
    )  # fmt: skip


def test_clips_of_two_cameras_are_of_the_same_moments(caplog):
    """`multiview_facts` 53: unequal videos are told, and clips are drawn from what they share."""
    dataset = session_clips(("s", "a", 9, 0), ("s", "b", 12, 2), ("t", "b", 30, 0))
    assert "9.mp4 9 frames, 12.mp4 12 frames" in caplog.text
    assert len(dataset) == 6 + 27
    seen = set()
    for index in range(200):
        clip = dataset[index]
        numbers = clip["frames"][:, 0, 0, 0].tolist()
        if "views" not in clip:  # of the session with one video
            assert set(clip["view"].tolist()) == {1}
            assert numbers == clip["frame"].tolist()
            continue
        assert clip["views"] == 2
        assert clip["view"].tolist() == [0, 1] * 4
        start = clip["frame"].tolist()[0]
        assert clip["frame"].tolist() == [start + n // 2 for n in range(8)]
        assert numbers[::2] == [start + n for n in range(4)]
        assert numbers[1::2] == [start + n + 2 for n in range(4)]
        seen.add(start)
    assert seen == set(range(6))


def test_absent_cameras_are_black_where_views_are_seen_jointly():
    clip = session_clips(("s", "b", 9, 0), views=("a", "b", "c"), jointly=True)[0]
    assert clip["views"] == 3
    assert clip["present"].tolist() == [False, True, False] * 4
    assert clip["view"].tolist() == [0, 1, 2] * 4
    assert not clip["frames"][~clip["present"]].any()
    assert (clip["frames"][clip["present"]][:, 1] == 9).all()


def test_each_camera_is_augmented_by_itself():
    def move(images, keypoints, rng):
        matrix = np.array([[1.0, 0, rng.integers(100)], [0, 1, 0]])
        return Augmented(images, keypoints, matrix)

    clip = session_clips(("s", "a", 9, 0), ("s", "b", 9, 0), augmenter=move)[0]
    moves = clip["to_frame"][:, 0, 2].unflatten(0, (4, 2))
    assert (moves[0] == moves).all()
    assert moves[0, 0] != moves[0, 1]


def test_sessions_without_a_clip_are_left_out_and_named(caplog):
    dataset = session_clips(("s", "a", 9, 0), ("s", "b", 9, 6), ("t", "a", 9, 0))
    assert "'s' is left out of training: its videos share 3 frames, a clip has 4" in caplog.text
    assert len(dataset) == 6
    with pytest.raises(VideoError, match="no session has videos of 4 frames"):
        session_clips(("s", "a", 3, 0), ("s", "b", 9, 0))


def test_videos_too_short_are_left_out_and_named(caplog):
    dataset = clips(3, 20, 2)
    assert [video.name for video in dataset.videos] == ["20.mp4"]
    assert "3.mp4 is left out of training: it has 3 frames" in caplog.text
    assert "2.mp4" in caplog.text


def test_nothing_long_enough_is_an_error():
    with pytest.raises(VideoError, match=r"(?s)no video is as long as a clip of 4.*longest has 3"):
        clips(3, 2)
    with pytest.raises(VideoError, match="no video to learn from"):
        clips()


def test_a_video_as_long_as_a_clip_is_one_clip():
    assert shown(clips(4)[5]) == ([0, 1, 2, 3], 4)


def test_only_so_many_videos_are_open_at_a_time():
    Numbered.opened = 0
    dataset = clips(*range(10, 40))
    for index in range(50):
        dataset[index]
    assert 0 < Numbered.opened <= 8


def test_nothing_is_open_when_workers_start():
    Numbered.opened = 0
    dataset = clips(*range(10, 40))
    assert Numbered.opened == 0
    dataset[0]
    loader = ResumableLoader(dataset, batch_size=None, sampler=range(4), num_workers=2, timeout=60)
    assert len([shown(clip) for clip in loader]) == 4
    assert Numbered.opened == 0


@pytest.fixture
def films(tmp_path):
    """Twelve files; that number ``k`` has ``10 + k`` frames."""
    options = {"preset": "ultrafast", "g": "5"}
    return [
        encode(tmp_path / f"{k}.mp4", Encoding(count=10 + k, size=(32, 48), options=options))
        for k in range(12)
    ]


@pytest.fixture
def indexed(tmp_path, monkeypatch):
    """The names of the videos that were looked through so far, by any process."""
    log = tmp_path / "indexed.txt"
    log.touch()

    def noted(path):
        with log.open("a") as file:
            file.write(f"{path.name}\n")
        return build_index(path)

    monkeypatch.setattr("lp_data.video.indexed.build_index", noted)
    return lambda: log.read_text().split()


@pytest.mark.parametrize("reader", ["pyav", "opencv"])
def test_each_video_is_looked_through_once_however_many_there_are(films, indexed, reader):
    dataset = build_clips(films, 4, (16, 24), reader=reader)
    sent = pickle.loads(pickle.dumps(dataset))
    loader = ResumableLoader(
        dataset, batch_size=None, sampler=range(30), num_workers=2, worker_init_fn=begin_worker
    )
    for clip, index in zip(loader, range(30), strict=True):
        assert torch.equal(clip["frames"], sent[index]["frames"])
    assert sorted(indexed()) == sorted(film.name for film in films)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's /proc")
def test_a_dataset_that_loads_nothing_keeps_no_decoder(films):
    def threads():
        return len(list(Path("/proc/self/task").iterdir()))

    def built():
        return build_clips(films[:3], 4, (16, 24), reader="pyav")

    first = built()
    first[0]  # libraries start threads of their own once, which stay
    first.close_videos()
    before = threads()
    dataset = built()
    assert threads() <= before
    dataset[0]
    assert threads() > before
    dataset.close_videos()
    assert threads() <= before


def test_a_video_that_changes_its_size_is_told_wherever_reading_starts(tmp_path):
    small, large = (
        encode(tmp_path / f"{side}.ts", Encoding(count=10, size=(side, side))) for side in (32, 64)
    )
    both = tmp_path / "both.ts"
    both.write_bytes(small.read_bytes() + large.read_bytes())
    with PyAVSource(both) as source:
        reopen = source.reopening()
    with reopen() as source:
        assert source.size == (32, 32)
        with pytest.raises(VideoError, match="the size changes from 32×32 to 64×64 px"):
            source.read(15, 16)


@pytest.fixture
def labeled(tmp_path):
    for i in range(6):
        cv2.imwrite(str(tmp_path / f"{i}.png"), np.full((16, 20, 3), i, np.uint8))
    names = tuple(f"{i}.png" for i in range(6))
    visibility = np.full((6, 1), 2, np.int8)
    table = PoseTable(Skeleton(("nose",)), np.full((6, 1, 2), 3.0), names, visibility=visibility)
    return LabeledDataset(table, tmp_path, SIZE)


def semi_supervised(labeled, workers=0):
    split = split_rows(6, 0.8, 0.2, 0)
    return SemiSupervisedDataModule(
        labeled, split, clips(30, 90), train_batch_size=2, num_workers=workers
    )


def steps(loader, epoch):
    for each in loader.flattened:
        each.sampler.set_epoch(epoch)
    return [
        (batch["labeled"]["table_row"].tolist(), shown(batch["unlabeled"]))
        for batch, _, _ in loader
    ]


def test_every_step_has_labelled_images_and_a_clip(labeled):
    data = semi_supervised(labeled)
    batch, _, _ = next(iter(data.train_dataloader()))
    assert batch["labeled"]["images"].shape == (2, 3, *SIZE)
    assert batch["unlabeled"]["frames"].shape == (4, 3, *SIZE)
    assert batch["unlabeled"]["to_frame"].shape == (4, 2, 3)
    assert data.steps_per_epoch == len(steps(data.train_dataloader(), 0)) == 10


def test_the_same_clips_whatever_the_number_of_workers(labeled):
    alone = semi_supervised(labeled).train_dataloader()
    many = semi_supervised(labeled, workers=2).train_dataloader()
    for epoch in (0, 3):
        assert steps(many, epoch) == steps(alone, epoch)
    assert steps(alone, 1) != steps(alone, 0)


def test_clips_that_no_worker_may_load_are_loaded_by_a_thread(labeled, monkeypatch):
    decoding = set()
    decode = Numbered._decode

    def noted(self, indices, out):
        decoding.add(threading.current_thread().name)
        decode(self, indices, out)

    split = split_rows(6, 0.8, 0.2, 0)
    expected = steps(semi_supervised(labeled).train_dataloader(), 2)
    monkeypatch.setattr(Numbered, "_decode", noted)
    on_device = clips(30, 90, in_workers=False)
    data = SemiSupervisedDataModule(labeled, split, on_device, train_batch_size=2, num_workers=0)
    assert steps(data.train_dataloader(), 2) == expected
    assert decoding
    assert threading.current_thread().name not in decoding


def test_processes_see_different_clips():
    dataset = clips(200, 100)
    first, second = (
        EpochSampler(dataset, range(20), shuffle=False, rank=rank, num_replicas=2)
        for rank in range(2)
    )
    seen = [shown(dataset[index]) for index in first]
    others = [shown(dataset[index]) for index in second]
    assert len([clip for clip in others if clip in seen]) <= 2  # of 294 possible ones


def test_clips_and_images_must_have_one_size(labeled):
    other = ClipDataset(["30.mp4"], 4, (16, 16), open_video=Numbered)
    with pytest.raises(DataModuleError, match="do not go with"):
        SemiSupervisedDataModule(labeled, split_rows(6, 0.8, 0.2, 0), other)


@pytest.fixture
def film(tmp_path):
    """A file with 20 frames, each brighter than the one before."""
    path = tmp_path / "film.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.gop_size = 32, 32, 5
        for i in range(20):
            picture = np.full((32, 32, 3), 10 * i, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode(None))
    return path


def test_clips_of_a_real_file(film):
    dataset = ClipDataset([film], 4, (16, 24))
    assert len(dataset) == 17
    for index in range(5):
        clip = dataset[index]
        assert clip["frames"].shape == (4, 3, 16, 24)
        numbers = clip["frames"][:, 1, 8, 12].float() / 10
        torch.testing.assert_close(numbers.diff(), torch.ones(3), atol=0.35, rtol=0)
    torch.testing.assert_close(
        dataset[0]["to_frame"][0], affine.resizing((16, 24), (32, 32)).float()
    )


@pytest.mark.parametrize("used_before", [False, True])
def test_workers_of_a_process_that_decodes_itself_give_the_same(film, used_before):
    """A worker inherits open files, but not the threads that decode them."""
    dataset = build_clips([film], 4, (16, 24))
    expected = [dataset[i]["frames"] for i in range(6)]
    if not used_before:
        dataset = build_clips([film], 4, (16, 24))
    loader = ResumableLoader(
        dataset,
        batch_size=None,
        sampler=range(6),
        num_workers=2,
        worker_init_fn=begin_worker,
        timeout=60,
    )
    for clip, frames in zip(loader, expected, strict=True):
        assert torch.equal(clip["frames"], frames)


class Recorder(pl.LightningModule):
    """Learns nothing, and writes down what it sees."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen = []

    def training_step(self, batch, _):
        self.seen.append((batch["labeled"]["table_row"].tolist(), shown(batch["unlabeled"])))
        return self.weight * 1.0

    def validation_step(self, batch, _):
        pass

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fit(data, folder, *, resume=None):
    checkpoint = pl.callbacks.ModelCheckpoint(
        folder, every_n_train_steps=1, save_top_k=-1, filename="{step}"
    )
    trainer = pl.Trainer(
        max_steps=16,
        accelerator="cpu",
        logger=False,
        callbacks=[checkpoint],
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    model = Recorder()
    trainer.fit(model, data, ckpt_path=resume)
    return model.seen


@pytest.mark.parametrize("stop", [3, 10, 13])
def test_lightning_resumes_with_the_clips_that_were_to_come(labeled, tmp_path, stop):
    whole = fit(semi_supervised(labeled), tmp_path / "whole")
    assert len(whole) == 16
    assert len({str(clip) for _, clip in whole}) > 12
    rest = fit(
        semi_supervised(labeled), tmp_path / "rest", resume=tmp_path / f"whole/step={stop}.ckpt"
    )
    assert rest == whole[stop:]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_stopped_epoch_goes_on_with_its_clips(labeled, workers):
    def loader():
        combined = semi_supervised(labeled, workers).train_dataloader()
        clips = combined.flattened[1]
        clips.sampler.set_epoch(1)
        return clips

    whole = [shown(clip) for clip in loader()]
    stopped = loader()
    batches = iter(stopped)
    for _ in range(3):
        next(batches)
    resumed = loader()
    resumed.load_state_dict(stopped.state_dict())
    assert [shown(clip) for clip in resumed] == whole[3:]
