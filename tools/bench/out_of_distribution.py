"""Errors on a look that no label shows: supervised, semi-supervised, with and without context.

    python tools/bench/out_of_distribution.py --workdir WORK [--weights FILE] [--seeds 0 1 2]

Makes the synthetic project in the work folder, trains every variant with 25 labelled frames and
every seed, predicts the out-of-distribution video, compares with the exact truth, and writes the
tables into docs/out_of_distribution.md. Each finished run leaves a JSON file; the next start, after
whatever interruption, skips it. A run takes one to six minutes on one CPU core.

The backbone starts from ImageNet weights: those in --weights, a .safetensors file, or the hub's.
"""

from __future__ import annotations

import argparse
import json
import logging
import shutil
import statistics
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy import ndarray

from lp_core.atomic import written_beside
from lp_core.trackers.supervised import BaseSupervisedTracker
from lp_data.labels import Visibility, read_labels
from lp_data.synthetic import SyntheticProject, generate_project
from lp_data.synthetic.project import is_project, read_project
from lp_data.video.open import open_video
from lp_pipeline.config.load import load_config
from lp_pipeline.prediction.handler import PredictionHandler
from lp_pipeline.training.run import train

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "configs/synthetic.yaml"
DOCUMENT = ROOT / "docs/out_of_distribution.md"
LOSSES = ("pca_singleview", "pca_multiview", "temporal")
ALL, FAMILIAR = "videos_unlabeled", "videos"
STEPS_PER_EPOCH = 10
FAST = 4.0
"""Frame px per frame from which a visible keypoint counts as fast: its smear is over 3 px."""

RECIPE = (
    "training.train_frames=25",
    "training.train_prob=0.9",
    "training.val_prob=0.1",
    f"training.steps_per_epoch={STEPS_PER_EPOCH}",
    "training.num_workers=0",
    "training.accelerator=cpu",
    "data.image_resize_dims.height=96",
    "data.image_resize_dims.width=96",
    "model.backbone=tf_efficientnet_lite0",
    "model.backbone_pretrained=true",
    "model.feature_stride=16",
    "dali.base.train.sequence_length=8",
    "dali.context.train.batch_size=8",
    "callbacks.anneal_weight.freeze_until_epoch=0",
    "callbacks.anneal_weight.increase_factor=0.1",
    "eval.predict_vids_after_training=false",
)
"""What all variants share, on top of configs/synthetic.yaml."""


@dataclass(frozen=True)
class Variant:
    """One way to train.

    Attributes:
        title: What the tables call it.
        context: The context head, or None for a tracker that sees one frame at a time.
        videos: The folder of unlabelled videos; None trains on labels alone.
        log_weight: Of each unsupervised loss.
        images: Images in one step, for the estimate of the time left.
    """

    title: str
    context: str | None = None
    videos: str | None = None
    log_weight: float = 5.0
    images: int = 8

    def overrides(self) -> list[str]:
        """What sets it apart in the config."""
        chosen = []
        if self.context:
            chosen += ["model.model_type=heatmap_mhcrnn", f"model.context_head={self.context}"]
        if self.videos:
            chosen += [f"data.video_dir={self.videos}", f"model.losses_to_use={list(LOSSES)}"]
            chosen += [f"losses.{name}.log_weight={self.log_weight}" for name in LOSSES]
        return chosen


MAIN = {
    "supervised": Variant("supervised"),
    "semi": Variant("semi-supervised", videos=ALL, images=16),
    "context": Variant("context (fusion)", "fusion", images=40),
    "semi_context": Variant("semi-supervised context (fusion)", "fusion", ALL, images=48),
}
RECURRENT = {"recurrent": Variant("context (recurrent)", "recurrent", images=40)}
CONTROLS = {
    "semi_11": Variant("all videos, log_weight 11", None, ALL, 11.0, images=16),
    "semi_familiar": Variant("only the familiar videos, log_weight 5", None, FAMILIAR, images=16),
}
VARIANTS = MAIN | CONTROLS | RECURRENT

STRETCHES = {
    "all": "all keypoints",
    "slow": "visible, slow",
    "fast": "visible, fast and blurred",
    "hidden": "hidden",
}
Results = dict[tuple[str, int], dict[str, float]]


def get_project(workdir: Path) -> SyntheticProject:
    """The synthetic project, with a folder of all unlabelled videos, the unfamiliar one included.

    Its labels are not there to be trained with; a user has the video that he wants to track, too.
    """
    folder = workdir / "project"
    if not is_project(folder):
        print("making the synthetic project", flush=True)
        generate_project(folder)
    project = read_project(folder)
    (folder / ALL).mkdir(exist_ok=True)
    for video in (*project.train_videos, project.ood_video):
        if not (folder / ALL / video.name).exists():
            shutil.copyfile(video, folder / ALL / video.name)
    return project


def predict(tracker: BaseSupervisedTracker, video: Path) -> ndarray:
    """Keypoints (frames, K, 2) of a video in frame px."""
    handler = PredictionHandler(tracker, device="cpu")
    with open_video(video, resize_to=handler.image_size) as source:
        parts = [part.keypoints.numpy() for part in handler.predict_video(source)]
    return np.concatenate(parts)


def errors_by_stretch(keypoints: ndarray, truth_file: Path) -> dict[str, float]:
    """Mean distance to the truth in frame px of the keypoints in the frame, by stretch."""
    truth = read_labels(truth_file)
    errors = np.linalg.norm(keypoints - truth.keypoints, axis=-1)
    speed = np.linalg.norm(np.gradient(truth.keypoints, axis=0), axis=-1)
    visible = truth.visibility == Visibility.VISIBLE
    hidden = truth.visibility == Visibility.OCCLUDED
    chosen = {
        "all": visible | hidden,
        "slow": visible & (speed < FAST),
        "fast": visible & (speed >= FAST),
        "hidden": hidden,
    }
    shares = {f"share_{name}": float(where.mean()) for name, where in chosen.items()}
    return shares | {name: float(errors[where].mean()) for name, where in chosen.items()}


def run(
    name: str, seed: int, project: SyntheticProject, workdir: Path, shared: Sequence[str]
) -> dict[str, float]:
    """Train one variant with one seed, and measure it on both held-out videos."""
    seeds = ("training.rng_seed_data_pt", "training.rng_seed_model_pt", "dali.general.seed")
    overrides = [*shared, *VARIANTS[name].overrides(), *(f"{key}={seed}" for key in seeds)]
    loaded = load_config(CONFIG, [f"data.data_dir={project.folder}", *overrides])
    model_dir = workdir / "models" / f"{name}-{seed}"
    started = time.monotonic()
    tracker = train(loaded, model_dir, overwrite=True).tracker
    result = {"seconds": time.monotonic() - started}
    ood = errors_by_stretch(predict(tracker, project.ood_video), project.truth["ood"])
    familiar = errors_by_stretch(predict(tracker, project.test_video), project.truth["test"])
    shutil.rmtree(model_dir)
    return result | ood | {f"familiar_{name}": error for name, error in familiar.items()}


def shared_overrides(steps: int, weights: Path | None) -> list[str]:
    """What all runs share; the last weights are kept, so that validation chooses nothing."""
    epochs = max(1, steps // STEPS_PER_EPOCH)
    length = [f"training.max_epochs={epochs}", f"training.check_val_every_n_epoch={epochs}"]
    checkpoint = [f"model.backbone_checkpoint={weights}"] if weights else []
    return [*RECIPE, *length, *checkpoint]


def result_file(workdir: Path, name: str, seed: int, steps: int) -> Path:
    """Where one run's result lies; runs of other lengths have other files."""
    return workdir / "results" / f"{name}-{steps}-{seed}.json"


def read_results(workdir: Path, names: Sequence[str], seeds: Sequence[int], steps: int) -> Results:
    """The runs that are finished."""
    files = {(name, seed): result_file(workdir, name, seed, steps)
             for name in names for seed in seeds}  # fmt: skip
    return {key: json.loads(file.read_text()) for key, file in files.items() if file.is_file()}


def run_all(arguments: argparse.Namespace) -> None:
    """Do what is not done yet, and say how long it will take."""
    project = get_project(arguments.workdir)
    shared = shared_overrides(arguments.steps, arguments.weights)
    done = read_results(arguments.workdir, arguments.variants, arguments.seeds, arguments.steps)
    tasks = [(name, seed) for seed in arguments.seeds for name in arguments.variants]
    left = [task for task in tasks if task not in done]
    for number, (name, seed) in enumerate(left):
        file = result_file(arguments.workdir, name, seed, arguments.steps)
        if file.is_file():  # another process has done it meanwhile
            continue
        print(f"{len(done) + number + 1} of {len(tasks)}: {name}, seed {seed}", flush=True)
        result = run(name, seed, project, arguments.workdir, shared)
        file.parent.mkdir(parents=True, exist_ok=True)
        with written_beside(file) as beside:
            beside.write_text(json.dumps(result, indent=1))
        per_image = result["seconds"] / VARIANTS[name].images
        ahead = sum(VARIANTS[later].images for later, _ in left[number + 1 :]) * per_image
        print(f"  {result['all']:.2f} px; about {ahead / 60:.0f} minutes left", flush=True)


def cell(values: Sequence[float]) -> str:
    """Mean ± standard deviation over seeds."""
    if not values:
        return "–"
    spread = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.2f}{spread}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def errors_table(
    results: Results, variants: dict[str, Variant], seeds: Sequence[int], look: str = ""
) -> str:
    """Errors by variant and stretch, of the video whose results' names start with ``look``."""
    header = ["variant", *STRETCHES.values(), "seeds"]
    rows = []
    for name, variant in variants.items():
        found = [results[name, seed] for seed in seeds if (name, seed) in results]
        # a stretch that an earlier version of this script did not measure stays empty
        measured = ([item[look + key] for item in found if look + key in item] for key in STRETCHES)
        cells = [cell(values) for values in measured]
        rows.append([variant.title, *cells, str(len(found))])
    return table(header, rows)


def paired_table(
    results: Results, pairs: Sequence[tuple[str, str]], seeds: Sequence[int], stretch: str = "all"
) -> str:
    """By how much the second of each pair changes the first's error, seed by seed."""
    rows = []
    for first, second in pairs:
        changes = [
            100 * (results[second, seed][stretch] / results[first, seed][stretch] - 1)
            if (first, seed) in results and (second, seed) in results
            else None
            for seed in seeds
        ]
        known = [change for change in changes if change is not None]
        mean = f"{statistics.fmean(known):+.1f} %" if known else "–"
        cells = ["–" if change is None else f"{change:+.1f} %" for change in changes]
        rows.append([VARIANTS[first].title, VARIANTS[second].title, *cells, mean])
    return table(["from", "to", *(f"seed {seed}" for seed in seeds), "mean"], rows)


def write_document(arguments: argparse.Namespace) -> None:
    """Put the tables between the marks in the document; its prose stays."""
    seeds = arguments.seeds
    results = read_results(arguments.workdir, list(VARIANTS), seeds, arguments.steps)
    semi = [("supervised", "semi"), ("context", "semi_context")]
    heads = [("supervised", "context"), ("recurrent", "context"), ("semi", "semi_context")]
    parts = {
        "errors": errors_table(results, MAIN | RECURRENT, seeds),
        "paired": paired_table(results, semi, seeds),
        "familiar": errors_table(results, MAIN | RECURRENT, seeds, "familiar_"),
        "heads fast": paired_table(results, heads, seeds, "fast"),
        "heads hidden": paired_table(results, heads, seeds, "hidden"),
        "controls": errors_table(results, CONTROLS | {"semi": MAIN["semi"]}, seeds),
    }
    text = DOCUMENT.read_text(encoding="utf-8")
    for name, content in parts.items():
        before, rest = text.split(f"<!-- {name} -->\n", 1)
        _, after = rest.split("<!-- end -->", 1)
        text = f"{before}<!-- {name} -->\n{content}\n<!-- end -->{after}"
    with written_beside(DOCUMENT) as beside:
        beside.write_text(text, encoding="utf-8")


def main() -> None:
    """Run what is missing, then write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workdir", type=Path, required=True)
    parser.add_argument("--weights", type=Path, help="ImageNet weights of tf_efficientnet_lite0")
    parser.add_argument("--steps", type=int, default=240)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--no-document", action="store_true", help="only run")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.INFO)
    run_all(arguments)
    if not arguments.no_document:
        write_document(arguments)


if __name__ == "__main__":
    main()
