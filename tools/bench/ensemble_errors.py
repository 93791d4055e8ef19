"""Errors and stated uncertainty of ensembles on the synthetic project, against the truth.

    python tools/bench/ensemble_errors.py train --workdir WORK [--weights FILE] [--repetitions 0 1]
    python tools/bench/ensemble_errors.py tables --workdir WORK

The first trains what is missing: in each repetition, on a synthetic project of its own, five
members that differ in their seed only, from 60 labelled frames, with 24 more for validation. A
member takes about a minute on one CPU core. The second predicts the test video and the
out-of-distribution video, smooths, and fills docs/uncertainty.md; a model directory
WORK/student_<repetition>, if there is one, gets a line of its own.
"""

from __future__ import annotations

import argparse
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy import ndarray
from scipy.stats import spearmanr
from synthetic_study import CONFIG, ROOT, fill, table

from lp_analysis.confidence.shown import ShownConfidence
from lp_analysis.ensembles.combination import QUANTILE, squared_distance
from lp_analysis.metrics.bootstrap import Interval, interval, times_drawn
from lp_analysis.prediction.videos import VideoPredictor
from lp_analysis.smoothing import Outputs, smooth_tables
from lp_core.display import SILENT
from lp_core.poses import Visibility, confidence_of
from lp_data.labels import read_labels
from lp_io.model_directory import MANIFEST_NAME, PREDICTIONS
from lp_io.predictions import read_predictions
from lp_io.predictions.covariance import covariance_path, read_covariance
from lp_pipeline.config.load import load_config
from lp_pipeline.evaluation.after_training import follow_up
from lp_pipeline.evaluation.ensembles import make_ensemble
from lp_pipeline.model import Model
from lp_pipeline.training.run import train
from lp_synthetic import SyntheticProject, SyntheticSettings, generate_project
from lp_synthetic.project import is_project, read_project

MEMBERS = 5
BLOCK = 30
"""Frames that are drawn together by the bootstrap, since neighbours are alike."""

RESAMPLES = 2000
DOCUMENT = ROOT / "docs/uncertainty.md"
LOOKS = {"test": "familiar video", "ood": "video of another look"}
SEEN, HIDDEN = Visibility.VISIBLE, Visibility.OCCLUDED

RECIPE = (
    "data.image_resize_dims.height=128",
    "data.image_resize_dims.width=128",
    "training.train_prob=0.9",
    "training.val_prob=0.1",
    "training.train_frames=60",
    "training.train_batch_size=16",
    "training.num_workers=0",
    "training.accelerator=cpu",
    "training.max_epochs=null",
    "training.max_steps=300",
    "training.unfreezing_epoch=null",
    "training.unfreezing_step=30",
    "training.check_val_every_n_epoch=25",
    "model.backbone=tf_efficientnet_lite0",
    "model.backbone_pretrained=true",
    "model.feature_stride=16",
    "eval.predict_vids_after_training=false",
)
"""On top of configs/synthetic.yaml."""


def get_project(workdir: Path, repetition: int) -> SyntheticProject:
    """The synthetic project of a repetition."""
    folder = workdir / f"project_{repetition}"
    if not is_project(folder):
        print(f"making the synthetic project of repetition {repetition}", flush=True)
        generate_project(folder, SyntheticSettings(seed=repetition))
    return read_project(folder)


def member_folders(workdir: Path, repetition: int) -> list[Path]:
    """The model directories of the members."""
    return [workdir / f"ensemble_{repetition}" / f"seed_{seed}" for seed in range(MEMBERS)]


def train_members(workdir: Path, repetition: int, weights: Path | None) -> None:
    """Train the members of a repetition that are not there."""
    project = get_project(workdir, repetition)
    checkpoint = [f"model.backbone_checkpoint={weights}"] if weights else []
    for seed, folder in enumerate(member_folders(workdir, repetition)):
        if (folder / PREDICTIONS).is_file():
            continue
        print(f"repetition {repetition}, seed {seed}", flush=True)
        where = [f"data.data_dir={project.folder}", *checkpoint]
        chosen = [*RECIPE, *where, f"training.rng_seed_model_pt={seed}"]
        loaded = load_config(CONFIG, chosen)
        setup = train(loaded, folder, overwrite=True)
        follow_up(setup, loaded.config, folder, display=SILENT)


class Judged(NamedTuple):
    """One way to predict a video: errors (F, K) in px, and variances (F, K, 2, 2) if stated."""

    off: ndarray
    covariance: ndarray | None

    @property
    def error(self) -> ndarray:
        """Distances to the truth."""
        return np.linalg.norm(self.off, axis=-1)


def predicted(model_dir: Path, video: Path, path: Path) -> Path:
    """The table of a video by a model or an ensemble."""
    if not path.is_file():
        model = Model.from_dir(model_dir, device="cpu")
        VideoPredictor(model.handler, model.scorer, model.calibration).predict(video, path)
    return path


def judged(path: Path, truth: ndarray) -> Judged:
    """A table of predictions against the truth."""
    found = read_predictions(path)
    covariance, shown = found.covariance, ShownConfidence.of_table(path).calibration
    if covariance_path(path).is_file():
        covariance = np.concatenate(list(read_covariance(path)))
    elif covariance is None and shown is not None:
        variance = shown.deviation(confidence_of(found)) ** 2
        covariance = variance[..., None, None] * np.eye(2)
    return Judged(found.points - truth, covariance)


def smoothed(tables: Sequence[Path], path: Path) -> Path:
    """Those of a video, smoothed."""
    if not path.is_file():
        smooth_tables({"": tables}, Outputs({"": path}, nine_columns=True))
    return path


WAYS = {
    "one": "one network",
    "mean": "ensemble of five",
    "one smoothed": "one network, smoothed",
    "mean smoothed": "ensemble, smoothed",
    "members smoothed": "tables of the five members, smoothed",
    "student": "student",
    "student smoothed": "student, smoothed",
}
Ways = dict[str, list[Judged]]
"""By way to predict, those of one video; several where they stand for one."""


def ways_of_video(workdir: Path, repetition: int, look: str) -> tuple[Ways, ndarray]:
    """All ways to predict a video, and the codes of visibility (F, K)."""
    project, folder = get_project(workdir, repetition), workdir / f"tables_{repetition}"
    video = project.test_video if look == "test" else project.ood_video
    truth, models = read_labels(project.truth[look]), member_folders(workdir, repetition)
    together = workdir / f"together_{repetition}"
    if not (together / MANIFEST_NAME).is_file():
        make_ensemble(together, models, SILENT)
    members = [predicted(own, video, folder / own.name / f"{look}.csv") for own in models]
    mean = predicted(together, video, folder / f"{look}.csv")
    ways = {
        "one": members,
        "mean": [mean],
        "one smoothed": [smoothed([own], own.with_stem(f"{look}_smoothed")) for own in members],
        "mean smoothed": [smoothed([mean], folder / f"{look}_smoothed.csv")],
        "members smoothed": [smoothed(members, folder / f"{look}_members_smoothed.csv")],
    }
    student = workdir / f"student_{repetition}"
    if (student / MANIFEST_NAME).is_file():
        own = predicted(student, video, folder / "student" / f"{look}.csv")
        ways["student"] = [own]
        ways["student smoothed"] = [smoothed([own], own.with_stem(f"{look}_smoothed"))]
    found = {name: [judged(path, truth.points) for path in own] for name, own in ways.items()}
    return found, truth.codes


def blocks(values: ndarray, chosen: ndarray) -> Iterator[tuple[float, float]]:
    """Sum and number of the chosen values (F, K) of each block of frames."""
    known = chosen & np.isfinite(values)
    for first in range(0, len(values), BLOCK):
        part = slice(first, first + BLOCK)
        yield float(values[part][known[part]].sum()), float(known[part].sum())


class Study:
    """All ways to predict the videos of one look, of all repetitions.

    Args:
        workdir: Where everything lies.
        repetitions: Those that are trained.
        look: ``test`` or ``ood``.
    """

    def __init__(self, workdir: Path, repetitions: Sequence[int], look: str) -> None:
        self.videos = [ways_of_video(workdir, number, look) for number in repetitions]
        random = np.random.default_rng(0)
        videos = times_drawn(random, len(self.videos), RESAMPLES)
        count = -(-len(self.videos[0][1]) // BLOCK)
        self.times = np.concatenate(
            [
                videos[:, [number]] * times_drawn(random, count, RESAMPLES)
                for number in range(len(self.videos))
            ],
            axis=1,
        )

    @property
    def ways(self) -> list[str]:
        """Those that there are for all videos."""
        return [name for name in WAYS if all(name in ways for ways, _ in self.videos)]

    def _sums(self, way: str, code: int) -> ndarray:
        """(blocks, 2): of each block of each video the sum of the errors, and how many."""
        rows: list[tuple[float, float]] = []
        for ways, codes in self.videos:
            error = np.mean([own.error for own in ways[way]], axis=0)
            rows += blocks(error, codes == code)
        return np.array(rows)

    def error(self, way: str, code: int) -> Interval:
        """Mean error in px."""
        sums = self._sums(way, code)
        total, draws = sums.sum(axis=0), self.times @ sums
        return interval(total[0] / total[1], draws[:, 0] / draws[:, 1])

    def change(self, way: str, code: int) -> Interval:
        """By how many percent the mean error differs from that of one network."""
        both = [self._sums(name, code) for name in (way, "one")]

        def percent(times: ndarray) -> ndarray:
            own, other = ((times @ each)[:, 0] / (times @ each)[:, 1] for each in both)
            return 100 * (own / other - 1)

        return interval(float(percent(np.ones((1, len(both[0]))))[0]), percent(self.times))

    def _of_each(self, way: str, value: Callable[[Judged, ndarray], float]) -> list[float]:
        """A value of each video, the mean over networks that stand for one."""
        return [
            float(np.mean([value(own, codes) for own in ways[way] if own.covariance is not None]))
            for ways, codes in self.videos
        ]

    def coverage(self, way: str, code: int) -> list[float]:
        """Percent of the keypoints in the region that should hold 90 %, of each video."""

        def inside(own: Judged, codes: ndarray) -> float:
            assert own.covariance is not None  # others are left out
            known = (codes == code) & np.isfinite(own.off).all(axis=-1)
            return float(
                100 * np.mean(squared_distance(own.off[known], own.covariance[known]) < QUANTILE)
            )

        return self._of_each(way, inside)

    def correlation(self, way: str) -> list[float]:
        """Rank correlation of stated deviation and error of visible keypoints, of each video."""

        def ranked(own: Judged, codes: ndarray) -> float:
            assert own.covariance is not None  # others are left out
            size = np.trace(own.covariance, axis1=-2, axis2=-1)
            known = (codes == SEEN) & np.isfinite(own.error) & np.isfinite(size)
            return float(spearmanr(own.error[known], size[known]).statistic)

        return self._of_each(way, ranked)


def told(value: Interval, digits: int = 2, sign: str = "") -> str:
    """A value and its interval."""
    low, high = (f"{each:{sign}.{digits}f}" for each in (value.low, value.high))
    return f"{value.mean:{sign}.{digits}f} ({low} to {high})"


def of_videos(values: Sequence[float], digits: int) -> str:
    """The mean over videos, and the values of each."""
    each = ", ".join(f"{value:.{digits}f}" for value in values)
    return f"{np.mean(values):.{digits}f} ({each})"


def write_document(studies: dict[str, Study]) -> None:
    """Put the tables between the marks in the document; its prose stays."""
    parts = {}
    for look, study in studies.items():
        rows = []
        for way in study.ways:
            cells = [told(study.error(way, code)) for code in (SEEN, HIDDEN)]
            changes = ["", ""]
            if way != "one":
                changes = [f"{told(study.change(way, c), 1, '+')} %" for c in (SEEN, HIDDEN)]
            rows.append([WAYS[way], cells[0], changes[0], cells[1], changes[1]])
        head = ["", "visible, px", "against one network", "hidden, px", "against one network"]
        parts[f"ensemble errors {look}"] = table(head, rows)
        rows = [
            [
                WAYS[way],
                of_videos(study.coverage(way, SEEN), 0),
                of_videos(study.coverage(way, HIDDEN), 0),
                of_videos(study.correlation(way), 2),
            ]
            for way in study.ways
        ]
        head = ["", "visible in the 90 % region, %", "hidden, %", "correlation"]
        parts[f"ensemble regions {look}"] = table(head, rows)
    for name, content in parts.items():
        print(f"{name}\n{content}\n")
    fill(DOCUMENT, parts)


def main() -> None:
    """Train, or predict and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["train", "tables"])
    parser.add_argument("--workdir", type=Path, required=True)
    parser.add_argument("--weights", type=Path, help="ImageNet weights of tf_efficientnet_lite0")
    parser.add_argument("--repetitions", type=int, nargs="+", default=[0, 1, 2])
    given = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.INFO)
    if given.what == "train":
        for repetition in given.repetitions:
            train_members(given.workdir, repetition, given.weights)
        return
    write_document({look: Study(given.workdir, given.repetitions, look) for look in LOOKS})


if __name__ == "__main__":
    main()
