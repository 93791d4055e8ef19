"""DALI's operators run on a CPU, for prediction and for training; on a GPU likewise."""

from __future__ import annotations

import logging
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from lp_core.geometry import affine
from lp_core.poses import PoseTable, Skeleton
from lp_data.datamodule import SemiSupervisedDataModule
from lp_data.datasets.clips import ClipDataset, InStep, build_clips
from lp_data.datasets.labeled import LabeledDataset
from lp_data.errors import VideoError
from lp_data.sessions import SessionManifest, SessionVideo
from lp_data.split import split_rows
from lp_data.testing.encoding import Encoding, encode, read_codes
from lp_data.testing.hostile import HOSTILE
from lp_data.video import dali_backend
from lp_data.video.dali_clips import DALIAugmenter, DALIClips, open_with_dali
from lp_data.video.dali_source import DALISource
from lp_data.video.excerpt import excerpt
from lp_data.video.index import build_index

needs_dali = pytest.mark.skipif(dali_backend.missing() is not None, reason="DALI is not installed")
VP9 = {"cpu-used": "8", "g": "20", "lag-in-frames": "0"}


@pytest.fixture(scope="module")
def vp9(tmp_path_factory: pytest.TempPathFactory) -> Path:
    how = Encoding("libvpx-vp9", count=50, options=VP9)
    return encode(tmp_path_factory.mktemp("vp9") / "film.webm", how)


@pytest.fixture(scope="module")
def h264(tmp_path_factory: pytest.TempPathFactory) -> Path:
    how = Encoding(count=50, options={"preset": "ultrafast", "crf": "18"})
    return encode(tmp_path_factory.mktemp("h264") / "film.mp4", how)


class TestExcerpt:
    @pytest.mark.parametrize(
        "name",
        ["b_frames", "hevc_open_groups", "vp9", "vp8_hidden_frames", "mjpeg_avi"],
    )
    def test_holds_the_frames_from_its_first_on(self, tmp_path, name) -> None:
        path = HOSTILE[name].make(tmp_path)
        index = build_index(path)
        for start, last in ((0, 5), (13, 13), (17, 25), (len(index) - 2, len(index) - 1)):
            part = excerpt(path, index, start, last)
            small = tmp_path / "part.mkv"
            small.write_bytes(part.data.tobytes())
            capture = cv2.VideoCapture(str(small))
            frames = []
            while (found := capture.read())[0]:
                frames.append(found[1])
            numbers = [n - (HOSTILE[name].first or 0) for n in read_codes(np.stack(frames))]
            assert part.first <= start
            assert numbers[: last - part.first + 1] == list(range(part.first, last + 1))

    def test_is_small(self, vp9) -> None:
        index = build_index(vp9)
        assert excerpt(vp9, index, 41, 42).data.nbytes < vp9.stat().st_size / 3


@needs_dali
class TestReader:
    def test_a_run_from_anywhere_is_exact_between_runs_in_order(self, vp9) -> None:
        with DALISource(vp9, device="cpu", resize_to=(32, 48)) as source:
            assert read_codes(source.read(0, 20)) == list(range(20))
            assert read_codes(source.read(33, 49)) == list(range(33, 49))
            assert read_codes(source.read(20, 50)) == list(range(20, 50))
            assert read_codes(source.read(0, 3)) == [0, 1, 2]

    def test_what_it_cannot_decode_on_a_cpu_is_told(self, h264) -> None:
        with pytest.raises(VideoError, match="does not decode h264 on a CPU"):
            DALISource(h264, device="cpu")

    @pytest.mark.gpu
    @pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
    @pytest.mark.parametrize("name", ["b_frames", "hevc_open_groups", "vp9", "mjpeg_avi"])
    def test_on_a_gpu(self, tmp_path, name) -> None:
        with DALISource(HOSTILE[name].make(tmp_path), device="gpu") as source:
            assert read_codes(source.read(0, 40)) == list(range(40))
            assert read_codes(source.read_indices([31, 2])) == [31, 2]


DEVICES = [
    "cpu",
    pytest.param(
        "gpu",
        marks=[
            pytest.mark.gpu,
            pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
        ],
    ),
]


@needs_dali
@pytest.mark.parametrize("device", DEVICES)
class TestClips:
    def test_are_those_of_pyav_for_the_same_seed_and_epoch(self, vp9, h264, device) -> None:
        ours = ClipDataset([vp9, h264], 5, (32, 48), seed=3)
        dalis = DALIClips([vp9, h264], 5, (32, 48), seed=3, augment=False, device=device)
        for epoch in (0, 1):
            ours.set_epoch(epoch)
            dalis.set_epoch(epoch)
            for number in range(6):
                one, other = ours[number], dalis[number]
                assert other["frames"].device.type == ("cuda" if device == "gpu" else "cpu")
                other = {name: value.cpu() for name, value in other.items()}
                difference = one["frames"].float() - other["frames"].float()
                assert difference.abs().mean() < 4
                assert read_codes(one["frames"].permute(0, 2, 3, 1).numpy()) == read_codes(
                    other["frames"].permute(0, 2, 3, 1).numpy()
                )
                torch.testing.assert_close(one["to_frame"], other["to_frame"])

    def test_of_several_cameras_are_in_step_as_those_of_pyav(self, vp9, h264, device) -> None:
        """`multiview_facts` 1.10: readers of several views must not lose step with each other."""
        views = ("top", "side", "back")
        videos = (SessionVideo("s", "top", vp9), SessionVideo("s", "side", h264, offset=3))
        in_step = InStep(SessionManifest(views, videos), jointly=True)
        paths = [video.video for video in videos]
        ours = ClipDataset(paths, 5, (32, 48), seed=3, in_step=in_step)
        dalis = DALIClips(paths, 5, (32, 48), seed=3, augment=False, in_step=in_step, device=device)
        for number in range(4):
            one, other = ours[number], dalis[number]
            assert other["views"] == 3
            for name in ("frame", "view", "present"):
                assert torch.equal(one[name], other[name])
            frames = other["frames"].cpu().permute(0, 2, 3, 1).numpy()
            first, second = read_codes(frames[0::3]), read_codes(frames[1::3])
            assert first == one["frame"][0::3].tolist()
            assert second == [code + 3 for code in first]
            assert not frames[2::3].any()

    def test_are_augmented_alike_again(self, h264, device) -> None:
        first = DALIClips([h264], 4, (64, 96), seed=1, device=device)[7]
        again = DALIClips([h264], 4, (64, 96), seed=1, device=device)[7]
        plain = DALIClips([h264], 4, (64, 96), seed=1, device=device, augment=False)[7]
        assert torch.equal(first["frames"], again["frames"])
        assert not torch.equal(first["frames"], plain["frames"])
        assert first["frames"].shape == (4, 3, 64, 96)

    def test_a_dot_is_where_its_map_says(self, device) -> None:
        augmenter = DALIAugmenter(brightness=(1.0, 1.0), contrast=(1.0, 1.0), device=device)
        frames = np.zeros((3, 80, 120, 3), np.uint8)
        cv2.circle(frames[0], (70, 30), 6, (255, 255, 255), -1, cv2.LINE_AA)
        frames[1:] = frames[0]
        spot = np.array([[70.0, 30.0]])
        rng = np.random.default_rng(0)
        for _ in range(5):
            images, keypoints, matrix, _ = augmenter(frames, spot, rng)
            expected = affine.transform(torch.from_numpy(spot), torch.from_numpy(matrix)).numpy()
            np.testing.assert_allclose(keypoints, expected)
            for image in images:
                weight = image[..., 0].astype(float)
                rows, columns = np.indices(weight.shape)
                found = [(columns * weight).sum(), (rows * weight).sum()] / weight.sum()
                np.testing.assert_allclose(found, keypoints[0], atol=0.05)

    def test_brightness_and_contrast_are_factors(self, device) -> None:
        augmenter = DALIAugmenter(
            rotation=(0.0, 0.0),
            scale=(1.0, 1.0),
            brightness=(0.5, 0.5),
            contrast=(1.0, 1.0),
            device=device,
        )
        frames = np.full((2, 32, 32, 3), 200, np.uint8)
        images = augmenter(frames, np.empty((0, 2)), np.random.default_rng(0)).images
        assert np.abs(images.astype(int) - 100).max() <= 1


SIZE = (32, 48)


@pytest.fixture
def labeled(tmp_path) -> LabeledDataset:
    names = tuple(f"{i}.png" for i in range(4))
    for name in names:
        cv2.imwrite(str(tmp_path / name), np.zeros((32, 48, 3), np.uint8))
    table = PoseTable(Skeleton(("nose",)), np.full((4, 1, 2), 3.0), names)
    return LabeledDataset(table, tmp_path, SIZE)


@needs_dali
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("size", [(64, 96), (90, 70), (20, 28)])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_turned_videos_are_upright_at_every_size(tmp_path, device, rotation, size) -> None:
    codec, options = ("mjpeg", {}) if device == "cpu" else ("libx264", {"g": "10"})
    pixels = "yuvj420p" if device == "cpu" else "yuv420p"
    how = Encoding(
        codec, count=12, size=(128, 192), pix_fmt=pixels, options=options, rotation=rotation
    )
    path = encode(tmp_path / "turned.mp4", how)
    plain = ClipDataset([path], 4, size, seed=3)
    clips = DALIClips([path], 4, size, seed=3, augment=False, device=device)
    for number in range(3):
        one, other = plain[number], clips[number]
        assert (one["frames"].float() - other["frames"].cpu().float()).abs().mean() < 5
        torch.testing.assert_close(one["to_frame"], other["to_frame"].cpu())


@needs_dali
@pytest.mark.parametrize("device", DEVICES)
class TestTraining:
    def epochs(self, labeled, clips, workers) -> list[torch.Tensor]:
        split = split_rows(4, 0.5, 0.5, 0)
        data = SemiSupervisedDataModule(
            labeled, split, clips, train_batch_size=2, num_workers=workers, fewest_steps=4
        )
        loader = data.train_dataloader()
        frames = []
        for epoch in (0, 3):
            for each in loader.flattened:
                each.sampler.set_epoch(epoch)
            frames += [batch["unlabeled"]["frames"] for batch, _, _ in loader]
        return frames

    def test_clips_are_the_same_whatever_the_number_of_workers(
        self, vp9, h264, labeled, device
    ) -> None:
        def clips() -> ClipDataset:
            return DALIClips([vp9, h264], 4, SIZE, seed=5, device=device)

        alone = self.epochs(labeled, clips(), workers=0)
        assert len(alone) == 8
        assert len({frames.numpy().tobytes() for frames in alone}) == 8
        assert alone[0].shape == (4, 3, *SIZE)
        many = self.epochs(labeled, clips(), workers=2)
        assert all(torch.equal(a, b) for a, b in zip(alone, many, strict=True))


@needs_dali
def test_the_reader_dali_also_augments(vp9) -> None:
    clips = build_clips([vp9], 4, SIZE, reader="dali", seed=2)
    assert isinstance(clips, DALIClips)
    assert clips[0]["frames"].shape == (4, 3, *SIZE)


def test_every_reader_gives_the_same_clips(vp9) -> None:
    """Augmentation hides the numbers, but not the map, which has no other source of chance."""
    pyav = build_clips([vp9], 4, SIZE, reader="pyav", seed=2)
    opencv = build_clips([vp9], 4, SIZE, reader="opencv", seed=2)
    for number in range(4):
        torch.testing.assert_close(pyav[number]["frames"], opencv[number]["frames"])
        torch.testing.assert_close(pyav[number]["to_frame"], opencv[number]["to_frame"])


def test_a_reader_that_cannot_is_never_replaced(vp9) -> None:
    with pytest.raises(VideoError, match="'image_folder' cannot read this video"):
        build_clips([vp9], 4, SIZE, reader="image_folder")


@needs_dali
def test_the_way_of_decoding_is_logged(vp9, h264, caplog) -> None:
    with caplog.at_level(logging.INFO, "lp_data"):
        open_with_dali(vp9, device="cpu").close()
        open_with_dali(h264, device="cpu").close()
    assert f"{vp9}: decoded with DALI on the CPU" in caplog.text
    assert f"{h264}: decoded with PyAV and handed to DALI: DALI does not decode h264" in caplog.text


def test_without_dali_the_extra_is_named(monkeypatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(VideoError, match=r"lp-data\[dali\]"):
        DALIAugmenter()
