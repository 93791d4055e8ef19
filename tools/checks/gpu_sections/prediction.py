"""Agreement with the CPU, and speed of decoding and of prediction."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from gpu_sections.shared import (
    BACKBONES,
    PRECISIONS,
    Found,
    config,
    seconds_per_call,
    synchronize,
    synthetic_project,
    to,
)


def agreement(options: argparse.Namespace) -> Found:
    """A trained model's predictions on this device against the CPU's in float32."""
    from lp_pipeline.model import Model
    from lp_pipeline.training.run import train

    steps = 10 if options.quick else 300
    length = [f"training.max_steps={steps}", f"training.min_steps={steps}"]
    _, video = synthetic_project(options)
    rows = []
    for name in ("heatmap",) if options.quick else ("heatmap", "regression"):
        overrides = [f"model.model_type={name}", "model.backbone=resnet18"]
        folder = options.folder / f"trained_{name}"
        train(config(options, *overrides, *length), folder)
        reference = Model.from_dir(folder, device="cpu").predict_video(video)
        for precision in (*PRECISIONS, "16-mixed"):
            if options.device == "cpu" and precision == "16-mixed":
                continue
            model = Model.from_dir(folder, device=options.device, precision=precision)
            found = model.predict_video(video)
            distance = (found.keypoints - reference.keypoints).norm(dim=-1)
            sure = reference.confidences > 0.5
            chosen = distance[sure] if sure.any() else distance.flatten()
            rows.append(
                {
                    "tracker": name,
                    "precision": precision,
                    "confident points": int(sure.sum()),
                    "median px": float(chosen.median()),
                    "99 % px": float(chosen.quantile(0.99)),
                    "max px": float(chosen.max()),
                    "confidence max": float(
                        (found.confidences - reference.confidences).abs().max()
                    ),
                }
            )
    worst = max(row["99 % px"] for row in rows if row["precision"] == "32-true")
    if worst > 0.1:
        raise SystemExit(json.dumps(rows, indent=1))
    return {"distances to the CPU's float32 predictions": rows}


def bench_video(options: argparse.Namespace, frames: int) -> Path:
    """A long H.264 video of 256×256 frames, made of the test video's packets."""
    from lp_data.testing.encoding import lengthen

    _, video = synthetic_project(options)
    return lengthen(video, frames, options.folder / f"bench{frames}.mp4")


def decoding(options: argparse.Namespace) -> Found:
    """Each reader on this device: frames per second, and the difference to PyAV's frames."""
    from lp_data.video.open import open_video

    frames = 120 if options.quick else 3000
    video = bench_video(options, frames)
    rows = [_decoded("pyav", lambda: open_video(video, reader="pyav"), frames)]
    with open_video(video, reader="pyav") as source:
        expected = torch.from_numpy(source.read(0, 32))
    rows.append(_decoded("torchcodec, cpu", lambda: open_video(video, reader="torchcodec"), frames))
    rows.append(_our_torchcodec(video, frames, options.device, expected))
    rows.append(_plain_torchcodec(video, frames, options.device, expected))
    rows.append(_dali(video, frames, options.device, expected))
    return {"readers": rows}


def _decoded(name: str, opened: Callable[[], Any], frames: int) -> Found:
    try:
        with opened() as source:
            next(iter(source.chunks(32)))
            start = time.perf_counter()
            count = sum(len(chunk) for chunk in source.chunks(32))
            return {"reader": name, "frames/s": count / (time.perf_counter() - start)}
    except Exception as error:
        return {"reader": name, "note": f"{type(error).__name__}: {error}"[:300]}


def _our_torchcodec(video: Path, frames: int, device: str, expected: Any) -> Found:
    """Our reader on the device, with its check of every frame's time; frames stay there."""
    name = f"torchcodec, {device}, frames stay there"
    try:
        from lp_data.video.torchcodec_source import TorchCodecSource

        with TorchCodecSource(video, device=device) as source:
            first = source.read_tensor(0, 32).permute(0, 2, 3, 1).cpu()
            difference = (first.float() - expected.float()).abs().mean()
            synchronize(device)
            start = time.perf_counter()
            for at in range(0, frames, 32):
                source.read_tensor(at, min(frames, at + 32))
            synchronize(device)
            rate = frames / (time.perf_counter() - start)
        return {"reader": name, "frames/s": rate, "mean difference": float(difference)}
    except Exception as error:
        return {"reader": name, "note": f"{type(error).__name__}: {error}"[:300]}


def _plain_torchcodec(video: Path, frames: int, device: str, expected: Any) -> Found:
    """The own decoder of torchcodec on the device; frames stay there."""
    name = f"torchcodec's own decoder, {device}"
    try:
        from torchcodec.decoders import VideoDecoder

        decoder = VideoDecoder(str(video), device=device, dimension_order="NHWC")
        difference = (decoder[0:32].cpu().float() - expected.float()).abs().mean()
        synchronize(device)
        start = time.perf_counter()
        for first in range(0, frames, 32):
            decoder.get_frames_in_range(first, min(frames, first + 32))
        synchronize(device)
        rate = frames / (time.perf_counter() - start)
        return {"reader": name, "frames/s": rate, "mean difference": float(difference)}
    except Exception as error:
        return {"reader": name, "note": f"{type(error).__name__}: {error}"[:300]}


def _dali(video: Path, frames: int, device: str, expected: Any) -> Found:
    name = f"dali, {device}"
    try:
        from lp_data.video.dali_source import DALISource

        with DALISource(video, device="gpu" if device == "cuda" else "cpu") as source:
            difference = (torch.from_numpy(source.read(0, 32)).float() - expected.float()).abs()
        found = _decoded(name, lambda: DALISource(video), frames)
        return {**found, "mean difference": float(difference.mean())}
    except Exception as error:
        return {"reader": name, "note": f"{type(error).__name__}: {error}"[:300]}


def prediction(options: argparse.Namespace) -> Found:
    """A video to a table: the whole, decoding alone, the network alone."""
    from lp_analysis.prediction.videos import VideoPredictor
    from lp_core.registry import MODELS, load_plugin
    from lp_data.inference.handler import PredictionHandler
    from lp_data.video.open import open_video

    frames, side = (64, 64) if options.quick else (6000, 256)
    video = bench_video(options, frames)
    kind: Any = load_plugin(MODELS, "heatmap")
    names = tuple(f"keypoint{number}" for number in range(17))
    with open_video(video, resize_to=(side, side)) as source:
        chunk = torch.from_numpy(next(iter(source.chunks(128)))).permute(0, 3, 1, 2)
        start = time.perf_counter()
        decoded = sum(len(part) for part in source.chunks(32))
        decoding_rate = decoded / (time.perf_counter() - start)
    rows = []
    for backbone in ("resnet18",) if options.quick else BACKBONES:
        for precision in PRECISIONS[: 1 if options.quick else 2]:
            given = kind.Options(
                keypoint_names=names,
                image_size=(side, side),
                backbone=backbone,
                backbone_pretrained=False,
            )
            handler = PredictionHandler(kind(given), device=options.device, precision=precision)
            part = chunk[: handler.chunk]
            maps = torch.eye(3)[:2].expand(len(part), 2, 3).contiguous()
            batch = to({"frames": part, "to_frame": maps}, options.device)
            seconds = seconds_per_call(
                lambda handler=handler, batch=batch: handler.predict_labeled(batch),
                options.device,
                1 if options.quick else 10,
            )
            start = time.perf_counter()
            table = options.folder / f"{backbone}_{precision}.csv"
            result = VideoPredictor(handler, "check").predict(video, table)
            whole = result.frames / (time.perf_counter() - start)
            slower = min(decoding_rate, len(part) / seconds)
            rows.append(
                {
                    "backbone": backbone,
                    "precision": precision,
                    "frames at once": handler.chunk,
                    "whole frames/s": whole,
                    "decoding alone": decoding_rate,
                    "network alone": len(part) / seconds,
                    "share of the slower": whole / slower,
                }
            )
    return {"video to CSV": rows}
