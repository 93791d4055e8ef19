"""Active labelling, simulated: frames that lp suggests, against random ones and k-means.

    python tools/bench/active_labelling.py --workdir WORK [--weights FILE] [--seeds 0 1 2]

Makes a synthetic project in the work folder, whose truth answers for the person who labels. Each
seed starts from the same 25 random frames of its videos, and adds 3 times 15 frames, chosen at
random, by k-means on small frames (the frame nearest to each centre, as DeepLabCut offers), or by
`lp_analysis.suggestion.suggest_frames`. After each, a tracker is trained from ImageNet weights, and
its errors on the held-out video are written down. Each finished round leaves a JSON file; the next
start, after whatever interruption, skips it. Prints the tables of docs/labelling.md.
"""

from __future__ import annotations

import argparse
import json
import logging
import shutil
import statistics
import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy import ndarray
from scipy.cluster.vq import kmeans2
from synthetic_study import CONFIG, RECIPE, STEPS_PER_EPOCH, cell, predict, table

from lp_analysis.confidence.stored import stored_calibration
from lp_analysis.prediction.videos import VideoPredictor
from lp_analysis.suggestion import PredictedVideo, SuggestionOptions, suggest_frames
from lp_analysis.suggestion.appearance import survey_videos
from lp_core.atomic import atomic_text
from lp_core.image_source import ImageSource
from lp_core.poses import PoseTable, Visibility, concatenate, write_pose_csv
from lp_data.inference.handler import PredictionHandler
from lp_data.labels import read_labels
from lp_data.pictures import PictureWriter
from lp_io.checkpoint import load_model, read_manifest
from lp_pipeline.config.load import load_config
from lp_pipeline.evaluation.after_training import evaluate_training
from lp_pipeline.evaluation.model_project import ModelProject
from lp_pipeline.training.run import train
from lp_pipeline.training.setup import TrainingSetup
from lp_synthetic import SyntheticProject, SyntheticSettings, generate_project
from lp_synthetic.project import is_project, read_project

METHODS = ("random", "kmeans", "suggested")
FIRST, ADDED, ROUNDS = 25, 15, 3
SETTINGS = SyntheticSettings(labeled_frames=6, sessions=6, train_videos=6, frames_per_video=300)
SURVEY = 900  # frames of all videos that k-means looks at

Frames = dict[str, list[int]]
"""By the name of a video its labelled frames."""


@dataclass(frozen=True)
class Study:
    """What is trained, and where everything lies."""

    workdir: Path
    project: SyntheticProject
    steps: int
    side: int
    weights: Path | None

    def result_file(self, method: str, seed: int, number: int) -> Path:
        """Where a round's result lies; the first round is that of all methods."""
        name = "first" if number == 0 else f"{method}-{number}"
        return self.workdir / "results" / f"{name}-{self.steps}-{seed}.json"

    def label(self, frames: Frames, name: str) -> Path:
        """A label file of the truth of frames, and their images."""
        folder, parts, sources = self.project.folder, [], []
        for video in self.project.train_videos:
            chosen = sorted(frames.get(video.stem, ()))
            if chosen:
                truth = read_labels(self.project.truth[video.stem]).rows(chosen)
                names = tuple(f"labeled-data/{video.stem}/img{f:08d}.png" for f in chosen)
                parts.append(_renamed(truth, names))
                sources += [
                    ImageSource(n, video=video, frame=f) for n, f in zip(names, chosen, strict=True)
                ]
        PictureWriter(folder).write([s for s in sources if not (folder / s.name).exists()])
        write_pose_csv(concatenate(parts), folder / name)
        return folder / name

    def train(self, labels: Path, model_dir: Path, seed: int, *, calibrates: bool) -> TrainingSetup:
        """A tracker of these labels, with calibrated confidences if they are needed."""
        epochs = max(1, self.steps // STEPS_PER_EPOCH)
        overrides = [
            *RECIPE,
            f"data.data_dir={self.project.folder}",
            f"data.csv_file={labels.name}",
            f"training.max_epochs={epochs}",
            f"training.check_val_every_n_epoch={epochs}",
            *(f"data.image_resize_dims.{each}={self.side}" for each in ("height", "width")),
            *([f"model.backbone_checkpoint={self.weights}"] if self.weights else []),
            *(f"training.rng_seed_{each}_pt={seed}" for each in ("data", "model")),
        ]
        loaded = load_config(CONFIG, overrides)
        setup = train(loaded, model_dir, overwrite=True)
        if calibrates:
            evaluate_training(setup, loaded.config, model_dir)
        return setup


def _renamed(truth: PoseTable, names: tuple[str, ...]) -> PoseTable:
    known = truth.codes != Visibility.UNLABELED
    points = np.where(known[..., None], truth.points, np.nan)
    return PoseTable(truth.skeleton, points, names, visibility=truth.codes)


def random_frames(study: Study, known: Frames, count: int, rng: np.random.Generator) -> Frames:
    """Frames of all videos, drawn with equal probability."""
    free = [
        (video.stem, frame)
        for video in study.project.train_videos
        for frame in range(SETTINGS.frames_per_video)
        if frame not in known.get(video.stem, ())
    ]
    return _frames(free[place] for place in rng.permutation(len(free))[:count].tolist())


def kmeans_frames(study: Study, known: Frames, count: int, rng: np.random.Generator) -> Frames:
    """The frames nearest to the centres of k-means on small frames, as DeepLabCut offers."""
    videos = study.project.train_videos
    survey = survey_videos(videos, most=SURVEY)
    places = [
        (video, frame)
        for video, looked in enumerate(survey.places)
        for frame in looked
        if frame not in known.get(videos[video].stem, ())
    ]
    looks = np.concatenate([
        survey.features(video, [frame for other, frame in places if other == video])
        for video in range(len(videos))
    ]).astype(np.float64)  # fmt: skip
    centres, _ = kmeans2(looks, count, minit="++", seed=rng)
    chosen: list[int] = []
    for centre in centres:
        order = np.linalg.norm(looks - centre, axis=1).argsort().tolist()
        chosen.append(next(place for place in order if place not in chosen))
    return _frames((videos[places[place][0]].stem, places[place][1]) for place in chosen)


def suggested_frames(study: Study, known: Frames, model_dir: Path, seed: int) -> Frames:
    """What lp suggests, by the tracker of the round before."""
    project = ModelProject.from_dir(model_dir)
    loaded = _handler(model_dir)
    calibration = stored_calibration(read_manifest(model_dir))
    predictor = VideoPredictor(loaded, "study", calibration, project.pose_metrics.metrics)
    videos = []
    for video in study.project.train_videos:
        file = model_dir / "video_preds" / f"{video.stem}.csv"
        predictor.predict(video, file)
        videos.append(PredictedVideo(video, file))
    found = suggest_frames(
        videos,
        SuggestionOptions(
            ADDED, seed=seed, threshold=project.config.eval.confidence_thresh_for_vid
        ),
        handler=loaded,
        pose_metrics=project.pose_metrics.metrics,
        labelled={v: known.get(v.stem, ()) for v in study.project.train_videos},
    )
    return _frames((each.video.stem, each.frame) for each in found)


def _handler(model_dir: Path) -> PredictionHandler:
    return PredictionHandler(load_model(model_dir).tracker, device="cpu")


def _frames(pairs: Iterable[tuple[str, int]]) -> Frames:
    found: Frames = {}
    for video, frame in pairs:
        found.setdefault(video, []).append(frame)
    return found


def joined(one: Frames, other: Frames) -> Frames:
    """The frames of both."""
    return {v: sorted({*one.get(v, ()), *other.get(v, ())}) for v in sorted({*one, *other})}


def errors(keypoints: ndarray, truth_file: Path) -> dict[str, float]:
    """Mean and 95th percentile of the distance to the truth, frame px."""
    truth = read_labels(truth_file)
    distance = np.linalg.norm(keypoints - truth.points, axis=-1)
    visible = distance[truth.codes == Visibility.VISIBLE]
    hidden = distance[truth.codes == Visibility.OCCLUDED]
    return {
        "visible": float(visible.mean()),
        "visible_95": float(np.percentile(visible, 95)),
        "hidden": float(hidden.mean()),
    }


def run_round(study: Study, method: str, seed: int, number: int) -> None:
    """Choose frames, label, train and measure; a round that is done is skipped."""
    file = study.result_file(method, seed, number)
    model_dir = study.workdir / "models" / file.stem
    if file.is_file():
        return
    started, rng = time.monotonic(), np.random.default_rng([seed, number])
    if number == 0:
        frames = random_frames(study, {}, FIRST, rng)
    else:
        before = study.result_file(method, seed, number - 1)
        known: Frames = json.loads(before.read_text())["frames"]
        if method == "suggested":
            new = suggested_frames(study, known, study.workdir / "models" / before.stem, seed)
        else:
            choose = random_frames if method == "random" else kmeans_frames
            new = choose(study, known, ADDED, rng)
        frames = joined(known, new)
    labels = study.label(frames, f"{file.stem}.csv")
    goes_on = number == 0 or (method == "suggested" and number < ROUNDS)
    tracker = study.train(labels, model_dir, seed, calibrates=goes_on).tracker
    predicted = predict(tracker, study.project.test_video)
    found = errors(predicted, study.project.truth["test"])
    if not goes_on:
        shutil.rmtree(model_dir)
    result = {
        "labels": sum(map(len, frames.values())),
        "seconds": time.monotonic() - started,
        "frames": frames,
        **found,
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_text(file) as stream:
        stream.write(json.dumps(result))
    print(f"{file.stem}: {result['labels']} labels, {found}, {result['seconds']:.0f} s", flush=True)


Results = Mapping[tuple[str, int, int], Mapping[str, float]]


def results(study: Study, seeds: Sequence[int]) -> Results:
    """The rounds that are done, by method, seed and round."""
    files = {
        (method, seed, number): study.result_file(method, seed, number)
        for method in METHODS for seed in seeds for number in range(ROUNDS + 1)
    }  # fmt: skip
    return {key: json.loads(file.read_text()) for key, file in files.items() if file.is_file()}


def tables(done: Results, seeds: Sequence[int], key: str) -> str:
    """Errors by method and number of labels, and paired changes against the others."""
    header = ["chosen", *(f"{FIRST + ADDED * number} labels" for number in range(ROUNDS + 1))]
    rows = []
    for method in METHODS:
        columns = [
            [done[method, seed, number][key] for seed in seeds if (method, seed, number) in done]
            for number in range(ROUNDS + 1)
        ]
        rows.append([method, *map(cell, columns)])
    for other in METHODS[:2]:
        row = [f"suggested against {other}", "–"]
        for number in range(1, ROUNDS + 1):
            keys = [(("suggested", seed, number), (other, seed, number)) for seed in seeds]
            changes = [
                100 * (done[a][key] / done[b][key] - 1) for a, b in keys if a in done and b in done
            ]
            mean = f"{statistics.fmean(changes):+.1f} %" if changes else "–"
            row.append(f"{mean} ({', '.join(f'{change:+.0f}' for change in changes)})")
        rows.append(row)
    return table(header, rows)


def main() -> None:
    """Run what is missing, then print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workdir", type=Path, required=True)
    parser.add_argument("--weights", type=Path, help="ImageNet weights of tf_efficientnet_lite0")
    parser.add_argument("--steps", type=int, default=240)
    parser.add_argument("--side", type=int, default=96, help="of the images, in model px")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--minutes", type=float, default=1e9, help="begin no round after these")
    given = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.INFO)
    folder, began = given.workdir / "project", time.monotonic()
    if not is_project(folder):
        generate_project(folder, SETTINGS)
    study = Study(given.workdir, read_project(folder), given.steps, given.side, given.weights)
    for seed in given.seeds:
        for number in range(ROUNDS + 1):
            for method in METHODS if number else METHODS[:1]:
                if time.monotonic() - began < 60 * given.minutes:
                    run_round(study, method, seed, number)
    done = results(study, given.seeds)
    for key in ("visible", "visible_95", "hidden"):
        print(f"\n{key}\n{tables(done, given.seeds, key)}")


if __name__ == "__main__":
    main()
