"""Trackers trained on the synthetic project, and their errors on its held-out videos by stretch.

What `out_of_distribution.py` and `context_heads.py` share.
"""

from __future__ import annotations

import argparse
import json
import logging
import shutil
import statistics
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy import ndarray

from lp_core.atomic import atomic_text
from lp_core.poses import Visibility
from lp_core.trackers.supervised import BaseSupervisedTracker
from lp_data.inference.handler import PredictionHandler
from lp_data.labels import read_labels
from lp_data.video.open import open_video
from lp_pipeline.config.load import load_config
from lp_pipeline.training.run import train
from lp_synthetic import SyntheticProject, generate_project
from lp_synthetic.project import is_project, read_project

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "configs/synthetic.yaml"
LOSSES = ("pca_singleview", "pca_multiview", "temporal")
ALL = "videos_unlabeled"
STEPS_PER_EPOCH = 10
FAST = 4.0
"""Frame px per frame from which a visible keypoint counts as fast: its smear is over 3 px."""

RECIPE = (
    "training.train_prob=0.9",
    "training.val_prob=0.1",
    f"training.steps_per_epoch={STEPS_PER_EPOCH}",
    "training.num_workers=0",
    "training.accelerator=cpu",
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
    errors = np.linalg.norm(keypoints - truth.points, axis=-1)
    speed = np.linalg.norm(np.gradient(truth.points, axis=0), axis=-1)
    visible = truth.codes == Visibility.VISIBLE
    hidden = truth.codes == Visibility.OCCLUDED
    chosen = {
        "all": visible | hidden,
        "slow": visible & (speed < FAST),
        "fast": visible & (speed >= FAST),
        "hidden": hidden,
    }
    shares = {f"share_{name}": float(where.mean()) for name, where in chosen.items()}
    return shares | {name: float(errors[where].mean()) for name, where in chosen.items()}


@dataclass(frozen=True)
class Study:
    """Variants to compare, each trained with the same seeds, labels and steps.

    Attributes:
        variants: By the name in their result files.
        labels: Labelled frames to train with, drawn by the seed; at most the 80 that an epoch of
            10 steps shows, since with more of them an epoch would be longer.
        workdir: Where project, models and results lie.
        steps: Optimiser steps.
        seeds: One training each.
        weights: ImageNet weights of the backbone; None takes the hub's.
        side: Height and width of the images in model px.
    """

    variants: Mapping[str, Variant]
    labels: int
    workdir: Path
    steps: int
    seeds: Sequence[int]
    weights: Path | None
    side: int = 96

    def overrides(self, name: str, seed: int) -> list[str]:
        """One run's config; the last weights are kept, so that validation chooses nothing."""
        epochs = max(1, self.steps // STEPS_PER_EPOCH)
        length = [f"training.max_epochs={epochs}", f"training.check_val_every_n_epoch={epochs}"]
        labels = [f"training.train_frames={self.labels}"]
        sides = [f"data.image_resize_dims.{side}={self.side}" for side in ("height", "width")]
        checkpoint = [f"model.backbone_checkpoint={self.weights}"] if self.weights else []
        keys = ("training.rng_seed_data_pt", "training.rng_seed_model_pt", "dali.general.seed")
        seeds = [f"{key}={seed}" for key in keys]
        chosen = self.variants[name].overrides()
        return [*RECIPE, *labels, *sides, *length, *checkpoint, *chosen, *seeds]

    def result_file(self, name: str, seed: int) -> Path:
        """Where one run's result lies; runs with other labels, steps or sides have other files."""
        labels = "" if self.labels == 25 else f"-{self.labels}_labels"
        side = "" if self.side == 96 else f"-{self.side}_px"
        return self.workdir / "results" / f"{name}-{self.steps}{labels}{side}-{seed}.json"

    def results(self) -> Results:
        """The runs that are finished."""
        files = {(name, seed): self.result_file(name, seed)
                 for name in self.variants for seed in self.seeds}  # fmt: skip
        return {key: json.loads(file.read_text()) for key, file in files.items() if file.is_file()}

    def run(self, name: str, seed: int, project: SyntheticProject) -> dict[str, float]:
        """Train one variant with one seed, and measure it on both held-out videos."""
        overrides = [f"data.data_dir={project.folder}", *self.overrides(name, seed)]
        model_dir = self.workdir / "models" / f"{name}-{seed}"
        started = time.monotonic()
        tracker = train(load_config(CONFIG, overrides), model_dir, overwrite=True).tracker
        result = {"seconds": time.monotonic() - started}
        ood = errors_by_stretch(predict(tracker, project.ood_video), project.truth["ood"])
        familiar = errors_by_stretch(predict(tracker, project.test_video), project.truth["test"])
        shutil.rmtree(model_dir)
        return result | ood | {f"familiar_{name}": error for name, error in familiar.items()}

    def run_all(self, names: Sequence[str]) -> None:
        """Do what is not done yet, and say how long it will take."""
        project = get_project(self.workdir)
        tasks = [(name, seed) for seed in self.seeds for name in names]
        left = [task for task in tasks if not self.result_file(*task).is_file()]
        done = len(tasks) - len(left)
        for number, (name, seed) in enumerate(left):
            file = self.result_file(name, seed)
            if file.is_file():  # another process has done it meanwhile
                continue
            print(f"{done + number + 1} of {len(tasks)}: {name}, seed {seed}", flush=True)
            result = self.run(name, seed, project)
            file.parent.mkdir(parents=True, exist_ok=True)
            with atomic_text(file) as stream:
                stream.write(json.dumps(result, indent=1))
            per_image = result["seconds"] / self.variants[name].images
            ahead = sum(self.variants[later].images for later, _ in left[number + 1 :]) * per_image
            print(f"  {result['all']:.2f} px; about {ahead / 60:.0f} minutes left", flush=True)


def start(
    description: str, variants: Mapping[str, Variant], labels: int, side: int = 96
) -> tuple[Study, bool]:
    """Read the command line and run what is missing; also tells whether to write the document."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--workdir", type=Path, required=True)
    parser.add_argument("--weights", type=Path, help="ImageNet weights of tf_efficientnet_lite0")
    parser.add_argument("--steps", type=int, default=240)
    parser.add_argument("--side", type=int, default=side, help="of the images, in model px")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--variants", nargs="+", default=list(variants), choices=list(variants))
    parser.add_argument("--no-document", action="store_true", help="only run")
    given = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.INFO)
    study = Study(
        variants,
        labels,
        given.workdir,
        given.steps,
        given.seeds,
        given.weights,
        side=given.side,
    )
    study.run_all(given.variants)
    return study, not given.no_document


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


def errors_table(study: Study, names: Sequence[str], look: str = "") -> str:
    """Errors by variant and stretch, of the video whose results' names start with ``look``."""
    header = ["variant", *STRETCHES.values(), "seeds"]
    rows, results = [], study.results()
    for name in names:
        found = [results[name, seed] for seed in study.seeds if (name, seed) in results]
        # a stretch that an earlier version of this script did not measure stays empty
        measured = ([item[look + key] for item in found if look + key in item] for key in STRETCHES)
        cells = [cell(values) for values in measured]
        rows.append([study.variants[name].title, *cells, str(len(found))])
    return table(header, rows)


def paired_table(study: Study, pairs: Sequence[tuple[str, str]], stretch: str = "all") -> str:
    """By how much the second of each pair changes the first's error, seed by seed."""
    rows, results, seeds = [], study.results(), study.seeds
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
        titles = [study.variants[name].title for name in (first, second)]
        rows.append([*titles, *cells, mean])
    return table(["from", "to", *(f"seed {seed}" for seed in seeds), "mean"], rows)


def fill(document: Path, parts: Mapping[str, str]) -> None:
    """Put each part between its marks in the document; the prose stays."""
    text = document.read_text(encoding="utf-8")
    for name, content in parts.items():
        before, rest = text.split(f"<!-- {name} -->\n", 1)
        _, after = rest.split("<!-- end -->", 1)
        text = f"{before}<!-- {name} -->\n{content}\n<!-- end -->{after}"
    with atomic_text(document) as file:
        file.write(text)
