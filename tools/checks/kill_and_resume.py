"""Kill a training again and again, resume it each time, and compare with one left in peace.

    python tools/checks/kill_and_resume.py --kills 10
    python tools/checks/kill_and_resume.py --kills 10 --semi-supervised --workers 2

Makes a small synthetic project, trains on it undisturbed, then trains with the same config and
kills the process and its workers (SIGKILL) at random moments: in turn at any time, while a training
state is being written, and during a validation. The curve (``metrics.csv``), the best weights, the
last training state and the predictions must be the same, bit for bit. Exits with 1 if they differ.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from lp_synthetic import SyntheticSettings, generate_project

COMPARED = ("csv_logs/metrics.csv", "model.safetensors", "predictions.csv")
CONFIG = """
data: {{data_dir: {folder}, video_dir: videos, image_resize_dims: {{height: 64, width: 64}}}}
model:
  model_type: heatmap
  backbone: resnet10t
  backbone_pretrained: false
  feature_stride: 8
  losses_to_use: {losses}
losses: {{temporal: {{log_weight: 5.0}}}}
dali: {{base: {{train: {{sequence_length: 4}}}}}}
training:
  train_batch_size: 4
  max_epochs: {epochs}
  check_val_every_n_epoch: 2
  log_every_n_steps: 1
  unfreezing_epoch: 2
  train_prob: 0.7
  val_prob: 0.2
  num_workers: {workers}
  save_state_every_n_seconds: 0
eval: {{predict_vids_after_training: false}}
"""


def start(*arguments: object) -> subprocess.Popen[str]:
    """``litpose train`` as a process group of its own."""
    command = [sys.executable, "-m", "lp_pipeline.cli.main", "train", *map(str, arguments)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


def finish(process: subprocess.Popen[str]) -> None:
    """Let it come to its end."""
    output, _ = process.communicate()
    if process.returncode:
        sys.exit(output)


def kill(process: subprocess.Popen[str]) -> None:
    """Kill it and its workers, as a power cut would."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def states(folder: Path, beginning: str = "step-") -> set[str]:
    """The names of its training states."""
    return {path.name for path in (folder / "training_state").glob(f"{beginning}*")}


def any_time(folder: Path, chance: random.Random) -> Callable[[], bool]:
    """A moment within three seconds after the next state."""
    before, delay = states(folder), chance.uniform(0, 3)
    since: list[float] = []

    def is_now() -> bool:
        if states(folder) - before and not since:
            since.append(time.monotonic())
        return bool(since) and time.monotonic() - since[0] > delay

    return is_now


def within_a_write(folder: Path, chance: random.Random) -> Callable[[], bool]:
    """While a later state is being written."""
    before, count = states(folder), chance.randint(1, 6)
    return lambda: (
        len(states(folder) - before)
        and bool(states(folder, ".step-") and int(max(states(folder))[5:14]) % 7 == count)
    )


def within_a_validation(folder: Path, chance: random.Random) -> Callable[[], bool]:
    """While the best weights are being written, which is at the end of a validation."""
    before = states(folder)
    return lambda: bool(states(folder) - before) and any(folder.glob("*.new*"))


MOMENTS = (any_time, within_a_write, within_a_validation)


def kill_and_resume(config: Path, folder: Path, kills: int, chance: random.Random) -> int:
    """Train with so many kills; how many there were before the training ended by itself."""
    done = 0
    process = start(config, "-o", folder)
    while done < kills and process.poll() is None:
        moment = MOMENTS[done % len(MOMENTS)]
        is_now, begun = moment(folder, chance), time.monotonic()
        while not is_now() and process.poll() is None and time.monotonic() - begun < 60:
            time.sleep(0.001)
        if process.poll() is None:
            kill(process)
            done += 1
            print(f"  kill {done} ({moment.__name__}) with {max(states(folder), default='none')}")
            process = start("--resume", folder)
    finish(process)
    return done


def differences(one: Path, other: Path) -> list[str]:
    """The files that differ."""
    names = [*COMPARED, f"training_state/{max(states(one))}"]
    return [
        name
        for name in names
        if not (other / name).is_file() or (one / name).read_bytes() != (other / name).read_bytes()
    ]


def main() -> None:
    """Run the check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--semi-supervised", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        project = generate_project(folder / "project", SyntheticSettings.tiny())
        config = folder / "config.yaml"
        config.write_text(
            CONFIG.format(
                folder=project.folder,
                losses="[temporal]" if options.semi_supervised else "[]",
                epochs=options.epochs,
                workers=options.workers,
            )
        )
        print("undisturbed")
        finish(start(config, "-o", folder / "undisturbed"))
        print("killed and resumed")
        chance = random.Random(options.seed)
        kills = kill_and_resume(config, folder / "killed", options.kills, chance)
        found = differences(folder / "undisturbed", folder / "killed")
        print(f"{kills} kills; " + (f"DIFFERENT: {', '.join(found)}" if found else "identical"))
        sys.exit(bool(found))


if __name__ == "__main__":
    main()
