"""Press Ctrl-C in each phase of train, predict, render and evaluate, and look at what is left.

    python tools/checks/interrupt_each_phase.py
    python tools/checks/interrupt_each_phase.py --only train

Makes a small synthetic project. For each phase the command runs in a process that gets SIGINT at
the moment when it enters a function of that phase for the n-th time. It must end with exit code
130 and one message without a traceback; what lies under a final name must be what an undisturbed
run writes there; and the next command (``--resume``, or the same again) must complete with the same
result. Prints each phase with what the command said; exits with 1 if anything is otherwise.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import FrameType

CONFIG = """
data: {{data_dir: {folder}, video_dir: videos, image_resize_dims: {{height: 64, width: 64}}}}
model: {{model_type: heatmap, backbone: resnet10t, backbone_pretrained: false, feature_stride: 8}}
training:
  train_batch_size: 4
  max_epochs: 2
  check_val_every_n_epoch: 1
  log_every_n_steps: 1
  unfreezing_epoch: 0
  train_prob: 0.7
  val_prob: 0.2
  num_workers: 0
eval:
  predict_vids_after_training: true
  save_vids_after_training: true
  test_videos_directory: {videos}
"""
COMPARED = (".csv", ".mp4", ".safetensors")
"""Ends of names of files that are the same in every run; progress and reports tell times."""


SLOW_IMPORTS = (
    "lp_pipeline.evaluation.after_training",
    "lp_pipeline.training.run",
    "lp_models.heatmap.tracker",
    "torch._dynamo",
)


Command = tuple[object, ...]


@dataclass(frozen=True)
class Phase:
    """A moment of a command.

    Attributes:
        name: In words.
        function: Its qualified name.
        call: At which call of it, from 1.
    """

    name: str
    function: str
    call: int = 1


TRAIN = (
    Phase("while importing", "<module>", 300),
    Phase("while building the model", "set_up"),
    Phase("while reading images", "_read_images"),
    Phase("before the first step", "ReportProgress.on_train_start"),
    Phase("in training", "BaseSupervisedTracker.training_step", 3),
    Phase("in validation", "BaseSupervisedTracker.validation_step", 2),
    Phase("while weights are saved", "TrainingSetup.save"),
    Phase("in predictions of labelled frames", "PredictionHandler.predict_labeled"),
    Phase("in calibration", "calibrate_model"),
    Phase("in metric tables", "write_project_evaluation"),
    Phase("in the report", "write_model_report"),
    Phase("in the first video", "PredictionCsvWriter.append"),
    Phase("in a labelled video", "PoseDrawer.draw", 5),
    Phase("in the report with videos", "write_model_report", 2),
)
PREDICT = (
    Phase("while the model is loaded", "load_model"),
    Phase("in the video", "PredictionCsvWriter.append", 2),
    Phase("in metric tables", "write_metric_tables"),
    Phase("in the labelled video", "PoseDrawer.draw", 5),
)
RENDER = (
    Phase("before the first frame", "draw_predictions"),
    Phase("in the video", "PoseDrawer.draw", 5),
)
EVALUATE = (
    Phase("in predictions of labelled frames", "PredictionHandler.predict_labeled"),
    Phase("in metric tables", "write_project_evaluation"),
    Phase("in the report", "write_model_report"),
)


def run_interrupted(function: str, call: int, arguments: Sequence[str]) -> None:
    """Run ``litpose`` in this process, with Ctrl-C at a call of a function."""
    left = call

    def watch(frame: FrameType, event: str, argument: object) -> None:
        nonlocal left
        if event == "call" and frame.f_code.co_qualname == function:
            left -= 1
            if left == 0:
                sys.setprofile(None)
                os.kill(os.getpid(), signal.SIGINT)

    from lp_pipeline.cli.main import main

    if function != "<module>":
        for name in SLOW_IMPORTS:  # watched, they would take several times as long
            import_module(name)
    sys.argv = ["litpose", *arguments]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    sys.setprofile(watch)
    main()


def litpose(*arguments: object, phase: Phase | None = None) -> subprocess.CompletedProcess[str]:
    """Run ``litpose`` in a new process, with Ctrl-C in a phase if one is given."""
    command = [sys.executable, "-m", "lp_pipeline.cli.main"]
    if phase is not None:
        command = [sys.executable, __file__, "--inside", phase.function, str(phase.call), "--"]
    return subprocess.run(
        [*command, *map(str, arguments)], capture_output=True, text=True, check=False
    )


def content(folder: Path) -> dict[str, bytes]:
    """The files of a folder that every run writes alike, hidden ones left out."""
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.suffix in COMPARED
        and file.is_file()
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
        and not file.is_relative_to(folder / "training_state")
    }


def hidden(folder: Path) -> list[str]:
    """What an interrupted run left beside its files, to go on with or to remove."""
    return [str(file.relative_to(folder)) for file in sorted(folder.rglob(".*"))]


class Check:
    """One command, each of its phases, and what was wrong.

    Args:
        whole: The folder that an undisturbed run filled.
        folder: Where the folders of interrupted runs go.
        start: The folder that each run starts with, or None for an empty place.
    """

    def __init__(self, whole: Path, folder: Path, start: Path | None) -> None:
        self.whole = content(whole)
        self.folder = folder
        self.start = start
        self.failures = 0

    def interrupt(self, phase: Phase, command: Sequence[object], again: Sequence[object]) -> None:
        """Interrupt a command in a phase and complete it; ``OUT`` in them stands for its folder."""
        out = self.folder / "out"
        shutil.rmtree(out, ignore_errors=True)
        if self.start is not None:
            shutil.copytree(self.start, out)
        stopped = litpose(*_at(command, out), phase=phase)
        wrong = self._wrong_after_stop(stopped, out)
        left = hidden(out) if out.exists() else []
        begun = (out / "config.yaml").exists() or self.start is not None
        completed = litpose(*_at(again if begun else command, out))
        if completed.returncode:
            wrong.append(f"the next command failed: {completed.stderr.strip()}")
        else:
            wrong += [f"{name} differs in the end" for name in self._different(content(out))]
            wrong += [f"left behind: {name}" for name in hidden(out)]
        self.failures += bool(wrong)
        print(f"  {phase.name}: exit {stopped.returncode}; {'WRONG' if wrong else 'right'}")
        print(f"    said: {' | '.join(stopped.stderr.strip().splitlines()) or 'nothing'}")
        print(f"    kept beside: {', '.join(left) or 'nothing'}")
        for text in wrong:
            print(f"    wrong: {text}")
        sys.stdout.flush()

    def _wrong_after_stop(self, stopped: subprocess.CompletedProcess[str], out: Path) -> list[str]:
        """What is wrong with how it ended."""
        wrong = [] if stopped.returncode == 130 else [f"exit code {stopped.returncode}"]
        if "Traceback" in stopped.stderr or not 0 < len(stopped.stderr.splitlines()) <= 3:
            wrong.append(f"not one message:\n{stopped.stderr}")
        there = content(out) if out.exists() else {}
        return wrong + [
            f"{name} is not a complete one"
            for name, data in there.items()
            if name.startswith(("predictions", "video_preds", "image_preds", "out"))
            and name in self.whole
            and data != self.whole[name]
        ]

    def _different(self, found: dict[str, bytes]) -> list[str]:
        names = sorted({*self.whole, *found})
        return [name for name in names if self.whole.get(name) != found.get(name)]


def _at(command: Sequence[object], out: Path) -> list[str]:
    return [str(part).replace("OUT", str(out)) for part in command]


def undisturbed(*arguments: object) -> None:
    """Run a command that nothing interrupts; end here if it fails."""
    done = litpose(*arguments)
    if done.returncode:
        sys.exit(done.stderr)


def check_all(folder: Path, only: str | None) -> int:
    """Interrupt each phase of each command; how often something was wrong."""
    from lp_synthetic import SyntheticSettings, generate_project

    project = generate_project(folder / "project", SyntheticSettings.tiny())
    videos = folder / "videos"
    videos.mkdir()
    shutil.copyfile(project.test_video, videos / "video.mp4")
    config = folder / "config.yaml"
    config.write_text(CONFIG.format(folder=project.folder, videos=videos))
    model, video = folder / "model", videos / "video.mp4"
    undisturbed("train", config, "-o", model)
    table = model / "video_preds" / "video.csv"
    predict: Command = ("predict", model, video, "--labeled-video", "--batch-size", 8, "-o")
    undisturbed(*predict, folder / "predicted")
    undisturbed("render", video, table, "-o", folder / "rendered" / "out.mp4")
    trained = shutil.copytree(model, folder / "trained")
    undisturbed("evaluate", model)
    commands: dict[str, tuple[tuple[Phase, ...], Path, Path | None, Command, Command]] = {
        "train": (
            TRAIN,
            trained,
            None,
            ("train", config, "-o", "OUT"),
            ("train", "--resume", "OUT"),
        ),
        "predict": (
            PREDICT,
            folder / "predicted",
            None,
            (*predict, "OUT"),
            (*predict, "OUT", "--resume"),
        ),
        "render": (
            RENDER,
            folder / "rendered",
            None,
            ("render", video, table, "-o", "OUT/out.mp4"),
            (),
        ),
        "evaluate": (EVALUATE, model, model, ("evaluate", "OUT"), ()),
    }
    failures = 0
    print(f"undisturbed runs are done; interrupting {only or 'all'}", flush=True)
    for name, (phases, whole, start, command, again) in commands.items():
        if only in (None, name):
            print(f"litpose {name}")
            check = Check(whole, folder, start)
            for phase in phases:
                check.interrupt(phase, command, again or command)
            failures += check.failures
    return failures


def main() -> None:
    """Run the check."""
    if sys.argv[1:2] == ["--inside"]:
        run_interrupted(sys.argv[2], int(sys.argv[3]), sys.argv[5:])
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=("train", "predict", "render", "evaluate"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        failures = check_all(Path(name), options.only)
    print(f"{failures} phases were not right" if failures else "every phase was right")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
