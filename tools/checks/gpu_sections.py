"""The measurements of ``gpu.py``: each section prints one line of JSON.

    python tools/checks/gpu_sections.py training_step --device cuda --folder WORK

Times on a GPU are taken after ``torch.cuda.synchronize()``. Figures of the network alone are
measured in the same process as ours, on the same batch.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).resolve().parents[2]
TRACKERS = ("heatmap", "heatmap_mhcrnn", "regression")
BACKBONES = ("resnet50", "efficientnet_b0")
PRECISIONS = ("32-true", "bf16-mixed")
Found = dict[str, Any]


def synchronize(device: str) -> None:
    """Wait until the device has done all that it was given."""
    if device == "cuda":
        torch.cuda.synchronize()


def autocast(device: str, precision: str) -> Any:
    """The context of a training step in that precision."""
    return torch.autocast(device, torch.bfloat16, enabled=precision == "bf16-mixed")


def seconds_per_call(work: Callable[[], object], device: str, calls: int) -> float:
    """The median over five groups of the mean seconds of a call, after a warm-up."""
    for _ in range(3):
        work()
    groups = []
    for _ in range(5):
        synchronize(device)
        start = time.perf_counter()
        for _ in range(calls):
            work()
        synchronize(device)
        groups.append((time.perf_counter() - start) / calls)
    return statistics.median(groups)


def project(options: argparse.Namespace) -> Found:
    """Make the synthetic project that the other sections use."""
    start = time.perf_counter()
    synthetic_project(options)
    return {"seconds to generate a project": time.perf_counter() - start}


def synthetic_project(options: argparse.Namespace) -> tuple[Path, Path]:
    """The folder of a synthetic project, shared by the sections, and its test video."""
    from lp_data.synthetic import SyntheticSettings, generate_project

    side = 96 if options.quick else 256
    settings = SyntheticSettings(
        height=side,
        width=side,
        labeled_frames=24 if options.quick else 160,
        sessions=4,
        train_videos=2,
        frames_per_video=60,
        test_frames=40,
        ood_frames=12,
        ood_labeled_frames=3,
    )
    folder = options.folder / "project"
    marker = options.folder / "project.json"
    if not marker.exists():
        made = generate_project(folder, settings)
        marker.write_text(json.dumps({"video": str(made.test_video)}))
    return folder, Path(json.loads(marker.read_text())["video"])


def config(options: argparse.Namespace, *overrides: str) -> Any:
    """A config of a training on that project, as a user would write it."""
    from lp_pipeline.config.load import load_config

    folder, _ = synthetic_project(options)
    side = 64 if options.quick else 256
    file = options.folder / "config.yaml"
    file.write_text(f"data: {{data_dir: {folder}, video_dir: videos}}\n")
    given = [
        f"data.image_resize_dims.height={side}",
        f"data.image_resize_dims.width={side}",
        "model.backbone_pretrained=false",
        "training.unfreezing_epoch=0",
        "training.train_batch_size=16",
        "training.train_prob=0.8",
        "training.val_prob=0.1",
        "training.check_val_every_n_epoch=1000",
        f"training.accelerator={'gpu' if options.device == 'cuda' else 'cpu'}",
        "training.num_gpus=1",
        "eval.predict_vids_after_training=false",
    ]
    return load_config(file, [*given, *overrides])


def environment(options: argparse.Namespace) -> Found:
    """What this machine is."""
    from importlib.metadata import version

    found: Found = {
        "python": sys.version.split()[0],
        "torch": torch.__version__,
        "lightning": version("pytorch-lightning"),
        "timm": version("timm"),
        "cores": len(os.sched_getaffinity(0)),
        "TF32 of convolutions": torch.backends.cudnn.allow_tf32,
        "TF32 of matrix products": torch.backends.cuda.matmul.allow_tf32,
    }
    if options.device == "cuda":
        found["GPU"] = torch.cuda.get_device_name()
        found["CUDA"] = torch.version.cuda
    return found


def tests(options: argparse.Namespace) -> Found:
    """The GPU tests of the suite."""
    report = options.folder / "tests.xml"
    marker = "gpu" if options.device == "cuda" else "gpu and not slow"
    paths = [str(path) for path in sorted({_file(line) for line in _marked_files()})]
    command = [sys.executable, "-m", "pytest", "-q", "-m", marker, f"--junitxml={report}", *paths]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    if not report.exists():
        raise SystemExit(done.stdout[-3000:] + done.stderr[-3000:])
    rows, counts = [], Counter[str]()
    for case in ET.parse(report).iter("testcase"):  # a file that this process just wrote
        outcomes = {child.tag: child for child in case}
        kind = next((tag for tag in ("failure", "error", "skipped") if tag in outcomes), "passed")
        counts[kind] += 1
        if kind != "passed":
            message = (outcomes[kind].get("message") or "")[:400]
            name = f"{case.get('classname')}::{case.get('name')}"
            rows.append({"test": name, "outcome": kind, "message": message})
    if counts["failure"] or counts["error"]:
        print(done.stdout[-8000:])
        raise SystemExit(json.dumps({**counts, "not passed": rows}, indent=1))
    return {**counts, "not passed": rows}


def _marked_files() -> Iterator[Path]:
    for folder in ("tests", "packages"):
        for path in (ROOT / folder).rglob("test_*.py"):
            if "mark.gpu" in path.read_text(encoding="utf-8"):
                yield path


def _file(path: Path) -> Path:
    return path.relative_to(ROOT)


def losses_log_on_device(options: argparse.Namespace) -> Found:
    """Validation of every tracker logs values on its device, with every unsupervised loss."""
    from lp_pipeline.training.setup import set_up

    rows = []
    for name, losses in _trainings():
        setup = set_up(config(options, f"model.model_type={name}", losses, *_small()).config)
        tracker = setup.tracker.to(options.device)
        logged: dict[str, str] = {}

        def log(key: str, value: Any, *_: Any, to: dict[str, str] = logged, **__: Any) -> None:
            to[key] = value.device.type if isinstance(value, torch.Tensor) else "python number"

        def log_dict(values: dict[str, Any], *_: Any, write: Any = log, **__: Any) -> None:
            for key, value in values.items():
                write(key, value)

        tracker.log, tracker.log_dict = log, log_dict  # type: ignore[method-assign,assignment]
        batch = _to(_first_batch(setup), options.device)
        tracker.training_step(batch)
        tracker.validation_step(batch.get("labeled", batch))
        elsewhere = sorted(key for key, place in logged.items() if place != options.device)
        rows.append({"tracker": name, "losses": losses, "elsewhere": ", ".join(elsewhere)})
    return {"logged values": rows}


def _trainings() -> Iterator[tuple[str, str]]:
    for name in TRACKERS:
        yield name, "model.losses_to_use=[]"
        yield name, "model.losses_to_use=[temporal]"


def _small() -> tuple[str, ...]:
    return "model.backbone=resnet18", "training.train_batch_size=4", "training.num_workers=0"


def _first_batch(setup: Any) -> Any:
    loader = setup.data.train_dataloader()
    first = next(iter(loader))
    return first[0] if isinstance(first, tuple) else first


def _to(batch: Any, device: str) -> Any:
    if isinstance(batch, dict):
        return {key: _to(value, device) for key, value in batch.items()}
    return batch.to(device) if isinstance(batch, torch.Tensor) else batch


@contextmanager
def counted_synchronisations() -> Iterator[Counter[str]]:
    """Counts the calls that wait for the device, by the place in our code that makes them."""
    found: Counter[str] = Counter()

    def note(message: Any, category: Any, file: str, line: int, *_: Any) -> None:
        if "synchroniz" in str(message):
            found[_caller(file, line)] += 1

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = note
        torch.cuda.set_sync_debug_mode("warn")
        try:
            yield found
        finally:
            torch.cuda.set_sync_debug_mode("default")


def _caller(file: str, line: int) -> str:
    """Where in our packages the call came from, else where it was made."""
    frame = sys._getframe(2)
    while frame is not None:
        name = frame.f_code.co_filename
        if "/lp_" in name and "/src/" in name:
            return f"{name.split('/src/')[-1]}:{frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment]
    return f"{re.sub('.*/site-packages/', '', file)}:{line}"


def synchronisations(options: argparse.Namespace) -> Found:
    """Waits for the device in a training step of every tracker, and in Lightning's loop."""
    if options.device != "cuda":
        return {"skipped": "counted on CUDA only"}
    from lp_pipeline.training.setup import set_up

    rows, places = [], Counter[str]()
    for name, losses in _trainings():
        setup = set_up(config(options, f"model.model_type={name}", losses, *_small()).config)
        tracker = setup.tracker.to(options.device).train()
        batch = _to(_first_batch(setup), options.device)
        optimizer = torch.optim.Adam(tracker.parameters())
        _step(tracker, batch, optimizer)
        with counted_synchronisations() as found:
            for _ in range(5):
                _step(tracker, batch, optimizer)
        rows.append({"tracker": name, "losses": losses, "per step": sum(found.values()) / 5})
        places.update(found)
    rows += _synchronisations_of_loop(options, places)
    where = [{"place": place, "count": number} for place, number in places.most_common(15)]
    return {"waits": rows, "where": where}


def _synchronisations_of_loop(options: argparse.Namespace, places: Counter[str]) -> list[Found]:
    """Waits per step of Lightning's loop with our callbacks, between two logged steps."""
    from pytorch_lightning import Callback

    from lp_pipeline.training.run import train

    counted: Counter[str] = Counter()
    steps = 0

    class Count(Callback):
        """Counts from the second epoch on."""

        def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
            if trainer.current_epoch == 1:
                self.scope = counted_synchronisations()
                self.found = self.scope.__enter__()

        def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
            nonlocal steps
            last = trainer.is_last_batch
            if trainer.current_epoch == 1:
                steps += 1
            if last and hasattr(self, "scope"):
                self.scope.__exit__(None, None, None)
                counted.update(self.found)
                del self.scope

    loaded = config(options, "training.max_epochs=2", "training.log_every_n_steps=50", *_small())
    with _extra_callback(Count()):
        train(loaded, options.folder / "loop")
    places.update({f"loop: {place}": number for place, number in counted.items()})
    per_step = sum(counted.values()) / max(1, steps)
    return [{"tracker": "heatmap", "losses": "whole loop", "per step": per_step}]


@contextmanager
def _extra_callback(callback: Any) -> Iterator[None]:
    """Let trainings of this process run one more callback, through Lightning's own entry point."""
    with tempfile.TemporaryDirectory() as name:
        info = Path(name) / "gpu_check-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: gpu-check\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(
            f"[lightning.pytorch.callbacks_factory]\ncheck = {__name__}:EXTRA\n"
            f"[pytorch_lightning.callbacks_factory]\ncheck = {__name__}:EXTRA\n"
        )
        EXTRA.callbacks = [callback]
        sys.path.insert(0, name)
        try:
            yield
        finally:
            sys.path.remove(name)
            EXTRA.callbacks = []


class Extra:
    """Gives the callbacks that a section adds to Lightning's trainer."""

    callbacks: list[Any] = []  # noqa: RUF012

    def __call__(self) -> list[Any]:
        """The callbacks to add."""
        return self.callbacks


EXTRA = Extra()


def _step(tracker: Any, batch: Any, optimizer: Any) -> None:
    loss = tracker.training_step(batch)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def distributed(options: argparse.Namespace) -> Found:
    """Trains and validates under DDP with one process, so that every collective runs (NCCL)."""
    from lp_pipeline.training.run import train

    overrides = ["training.strategy=ddp", "training.max_epochs=2", *_small()]
    overrides += ["training.check_val_every_n_epoch=1", "model.losses_to_use=[temporal]"]
    start = time.perf_counter()
    setup = train(config(options, *overrides), options.folder / "ddp")
    finite = all(bool(weight.isfinite().all()) for weight in setup.tracker.parameters())
    if not finite:
        raise SystemExit("weights are not finite after a training under DDP")
    return {"seconds of a training of two epochs": time.perf_counter() - start}


def training_step(options: argparse.Namespace) -> Found:
    """A training step on a batch that is on the device, and the bare network's."""
    from lp_pipeline.training.setup import set_up

    rows = []
    calls = 1 if options.quick else 10
    for backbone in ("resnet18",) if options.quick else BACKBONES:
        for precision in PRECISIONS[: 1 if options.quick else 2]:
            setup = set_up(config(options, f"model.backbone={backbone}").config)
            tracker = setup.tracker.to(options.device).train()
            tracker.backbone.to(memory_format=torch.channels_last)
            batch = _to(_first_batch(setup), options.device)
            optimizer = torch.optim.Adam(tracker.parameters())
            if options.device == "cuda":
                torch.cuda.reset_peak_memory_stats()

            def ours(
                tracker: Any = tracker,
                batch: Any = batch,
                optimizer: Any = optimizer,
                precision: str = precision,
            ) -> None:
                with autocast(options.device, precision):
                    loss = tracker.training_step(batch)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()

            images = batch["images"].float().contiguous(memory_format=torch.channels_last)

            def bare(
                tracker: Any = tracker,
                images: Any = images,
                optimizer: Any = optimizer,
                precision: str = precision,
            ) -> None:
                with autocast(options.device, precision):
                    loss = tracker.head(tracker.backbone(images)).float().square().mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()

            step, network = (seconds_per_call(work, options.device, calls) for work in (ours, bare))
            size = len(batch["images"])
            row = {
                "backbone": backbone,
                "precision": precision,
                "batch": size,
                "step ms": 1e3 * step,
                "bare ms": 1e3 * network,
                "ratio": step / network,
                "images/s": size / step,
            }
            if options.device == "cuda":
                row["peak GiB"] = torch.cuda.max_memory_allocated() / 2**30
            rows.append(row)
    return {"steps": rows}


def training_run(options: argparse.Namespace) -> Found:
    """Whole trainings through Lightning, loading and augmentation included."""
    from pytorch_lightning import Callback

    from lp_pipeline.training.run import train

    class Stopwatch(Callback):
        """Seconds per step of each epoch."""

        def __init__(self) -> None:
            self.epochs: list[float] = []

        def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
            synchronize(options.device)
            self.start = time.perf_counter()

        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            synchronize(options.device)
            seconds = time.perf_counter() - self.start
            self.epochs.append(seconds / trainer.num_training_batches)

    rows = []
    epochs = 3 if options.quick else 8
    cases = [(b, p, "[]") for b in BACKBONES for p in PRECISIONS]
    cases.append((BACKBONES[0], "bf16-mixed", "[temporal]"))
    if options.quick:
        cases = [("resnet18", "32-true", "[temporal]")]
    for number, (backbone, precision, losses) in enumerate(cases):
        overrides = [f"model.backbone={backbone}", f"training.precision={precision}"]
        overrides += [f"training.max_epochs={epochs}", f"model.losses_to_use={losses}"]
        watch = Stopwatch()
        with _extra_callback(watch):
            train(config(options, *overrides), options.folder / f"run{number}")
        step = statistics.median(watch.epochs[2:])
        row = {"backbone": backbone, "precision": precision, "losses": losses}
        rows.append({**row, "step ms": 1e3 * step, "images/s": 16 / step})
    return {"trainings": rows}


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
    from lp_data.testing.lengthen import lengthen

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
    from lp_core.registry import MODELS, load_plugin
    from lp_data.video.open import open_video
    from lp_pipeline.prediction.handler import PredictionHandler
    from lp_pipeline.prediction.videos import predict_video_file

    frames, side = (64, 64) if options.quick else (6000, 256)
    video = bench_video(options, frames)
    kind: Any = load_plugin(MODELS, "heatmap")
    names = tuple(f"keypoint{number}" for number in range(17))
    with open_video(video, resize_to=(side, side)) as source:
        chunk = torch.from_numpy(next(iter(source.chunks(32)))).permute(0, 3, 1, 2)
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
            handler = PredictionHandler(
                kind(given), device=options.device, precision=precision, chunk=32
            )
            maps = torch.eye(3)[:2].expand(len(chunk), 2, 3).contiguous()
            batch = _to({"frames": chunk, "to_frame": maps}, options.device)
            seconds = seconds_per_call(
                lambda handler=handler, batch=batch: handler.predict_labeled(batch),
                options.device,
                1 if options.quick else 10,
            )
            start = time.perf_counter()
            table = options.folder / f"{backbone}_{precision}.csv"
            result = predict_video_file(handler, video, table, scorer="check")
            whole = result.frames / (time.perf_counter() - start)
            slower = min(decoding_rate, 32 / seconds)
            rows.append(
                {
                    "backbone": backbone,
                    "precision": precision,
                    "whole frames/s": whole,
                    "decoding alone": decoding_rate,
                    "network alone": 32 / seconds,
                    "share of the slower": whole / slower,
                }
            )
    return {"video to CSV": rows}


SECTIONS: dict[str, Callable[[argparse.Namespace], Found]] = {
    function.__name__: function
    for function in (
        environment,
        project,
        tests,
        losses_log_on_device,
        synchronisations,
        distributed,
        training_step,
        training_run,
        agreement,
        decoding,
        prediction,
    )
}


def main() -> None:
    """Run one section."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("section", choices=SECTIONS)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--folder", type=Path, required=True, help="where to work")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    print(json.dumps(SECTIONS[options.section](options)))


if __name__ == "__main__":
    main()
