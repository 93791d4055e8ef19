"""Errors per view and in space of trackers of several cameras, beside each view alone.

    python tools/bench/several_cameras.py --workdir WORK [--weights FILE] [--seeds 0 1 2]

Makes the synthetic project of four cameras in the work folder. For each seed a tracker learns from
its labelled frames, each view alone; every variant goes on from these weights for the same number
of steps. Each predicts the held-out session, and is compared with the exact truth: in each view, in
space after triangulation, and in each view again after points in space are projected back; and all
of it with one view taken away. Each finished run leaves its predictions in a file; the next start,
after whatever interruption, skips it. Prints the tables of docs/several_cameras.md.

Images are cut to squares around the animal, as boxes of a detector would do it. Their middles are
those of its outline in each view, moved at random by up to a sixteenth of the side.

The backbone starts from ImageNet weights: those in --weights, a .safetensors file, or the hub's.
"""

from __future__ import annotations

import argparse
import csv
import logging
import statistics
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy import ndarray

from lp_analysis.triangulation import (
    PosePrior,
    TriangulationOptions,
    label_poses,
    label_rigs,
    triangulate_poses,
)
from lp_core.atomic import atomic_text
from lp_core.geometry.cameras import Rig, project
from lp_core.poses import PoseTable, Visibility
from lp_data.labels import read_labels
from lp_data.sessions import ViewNames, read_view_labels
from lp_io.calibration import read_rig
from lp_io.points3d import read_points3d
from lp_pipeline.config.load import load_config
from lp_pipeline.model import Model
from lp_pipeline.training.run import train
from lp_synthetic import SyntheticProject, SyntheticSettings, generate_project
from lp_synthetic.project import is_project, read_project

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "configs/synthetic.yaml"
SESSION = "test"


@dataclass(frozen=True)
class Setting:
    """What the cameras of a project are.

    Attributes:
        settings: Of the project.
        square: Side in frame px of what is cut out around the animal.
        taken_away: Views that are taken away, one at a time.
    """

    settings: SyntheticSettings
    square: int
    taken_away: tuple[str, ...]


_AROUND = replace(SyntheticSettings.multiview(4, 0), sessions=20)
SETTINGS = {
    "around": Setting(_AROUND, 96, ("top", "left")),
    "glass": Setting(
        replace(_AROUND, height=384, width=384, glass_floor=True, train_videos=1, ood_frames=16,
                ood_labeled_frames=3),
        176,
        ("below", "left"),
    ),
}  # fmt: skip
"""Four cameras of 256×256 px, all above the floor, to which the animal is 49 px long; or of 384×384
px, one below a floor of glass and three that stand low, to which it is 84 px long."""
RECIPE = (
    "data.mirrored_column_matches=null",
    "data.columns_for_singleview_pca=null",
    "training.train_prob=0.95",
    "training.val_prob=0.05",
    "training.imgaug_3d=false",
    "training.imgaug=[{name: affine, probability: 0.8, rotation: [-30, 30], scale: [0.85, 1.15], "
    "translation: [-0.05, 0.05]}, {name: brightness_contrast, probability: 0.5, "
    "brightness: [0.85, 1.15], contrast: [0.85, 1.15]}]",
    "training.max_epochs=null",
    "training.check_val_every_n_epoch=1000",
    "training.num_workers=0",
    "training.accelerator=cpu",
    "model.backbone=tf_efficientnet_lite0",
    "model.backbone_pretrained=true",
    "model.feature_stride=16",
    "eval.predict_vids_after_training=false",
)
"""What all variants share, on top of configs/synthetic.yaml."""

JOINT = ("model.model_type=heatmap_multiview_transformer", "training.train_batch_size=2")
ALONE = ("training.train_batch_size=8",)
ALONE_TOGETHER = ("training.train_batch_size=2",)
REPROJECTION = ("losses.reprojection.log_weight=1",)
LATER = ("training.optimizer_params.learning_rate=0.001",)
SURE = 0.5
FIRST_SIDE = 96
"""Model px of the images that all variants of a seed begin with."""
PLACED = ("model.occluded_targets=position",)
FLIPPED = ("training.imgaug_hflip=true",)


@dataclass(frozen=True)
class Variant:
    """One way to train.

    Attributes:
        title: What the tables call it.
        overrides: What sets it apart in the config.
    """

    title: str
    overrides: tuple[str, ...]


VARIANTS = {
    "shared": Variant("shared weights", ALONE + PLACED),
    "shared_reprojection": Variant(
        "shared weights, reprojection loss", ALONE_TOGETHER + PLACED + REPROJECTION
    ),
    "joint": Variant("views together", JOINT + PLACED),
    "joint_reprojection": Variant(
        "views together, reprojection loss", JOINT + PLACED + REPROJECTION
    ),
    "shared_unsure": Variant("shared weights, unsure where occluded", ALONE),
    "shared_flipped": Variant("shared weights, unsure where occluded, flips", ALONE + FLIPPED),
}


# ----------------------------------------------------------------------------------------- project
def get_project(workdir: Path, setting: Setting) -> SyntheticProject:
    """The synthetic project of four cameras, with boxes for its labels and its held-out session."""
    folder, side = workdir / "project", setting.square
    if not is_project(folder):
        print("making the synthetic project", flush=True)
        generate_project(folder, setting.settings)
    found = read_project(folder)
    for number, view in enumerate(found.views):
        random = np.random.default_rng([1, number])
        labels = found.label_files[number]
        boxes = labels.with_name(f"{labels.stem}_boxes.csv")
        _squares(boxes, folder / f"squares_{view}.csv", side, random)
        stem = f"{SESSION}_{view}"
        _squares(found.boxes[stem], folder / f"squares_{stem}.csv", side, random)
    return found


def _squares(boxes: Path, to: Path, side: int, random: np.random.Generator) -> None:
    """Squares of one size around the middles of boxes, moved at random."""
    with boxes.open(newline="") as file:
        rows = list(csv.DictReader(file))
    key = next(iter(rows[0]))
    with atomic_text(to) as file:
        file.write("frame,x,y,h,w\n")
        for row in rows:
            off = random.uniform(-side / 16, side / 16, 2)
            x = float(row["x"]) + (float(row["w"]) - side) / 2 + off[0]
            y = float(row["y"]) + (float(row["h"]) - side) / 2 + off[1]
            file.write(f"{row[key]},{x:.0f},{y:.0f},{side},{side}\n")


# ------------------------------------------------------------------------------------------ errors
@dataclass(frozen=True)
class Truth:
    """What is true of the held-out session.

    Attributes:
        rig: V cameras.
        frames: (V, F, K, 2) frame px.
        hidden: (V, F, K).
        world: (F, K, 3) mm, and their table.
        body: Length of the body in mm, nose to tail base, a mean over frames.
        poses: Those of the project's labels.
    """

    rig: Rig
    frames: ndarray
    hidden: ndarray
    world: ndarray
    table: PoseTable
    body: float
    poses: PosePrior | None

    @classmethod
    def of(cls, project: SyntheticProject) -> Truth:
        """That of a project."""
        tables = [read_labels(project.truth[f"{SESSION}_{view}"]) for view in project.views]
        space = read_points3d(project.truth_3d[SESSION]).table
        ends = [project.keypoint_names.index(name) for name in ("nose", "tail_base")]
        body = np.linalg.norm(np.diff(space.points[:, ends], axis=1), axis=-1).mean()
        return cls(
            read_rig(project.calibrations[SESSION]).subset(list(project.views)),
            np.stack([table.points for table in tables]),
            np.stack([table.codes == Visibility.OCCLUDED for table in tables]),
            space.points,
            space,
            float(body),
            poses_of(project),
        )

    def measured(self, found: ndarray, confidences: ndarray) -> dict:
        """Errors of detections (V, F, K, 2) in frame px, NaN in views that are taken away.

        Of each view mean distances in frame px of visible and of occluded keypoints, as predicted
        and after triangulation; in space distances in mm: the mean, the median, and the mean of
        keypoints that all views see; and the share and the median of points where detections below
        `SURE` are not used.
        """
        points = self._points(found, confidences)
        back = project(self.rig, points.reshape(-1, 3)).reshape(self.frames.shape)
        away = np.linalg.norm(points - self.world, axis=-1)
        sure = np.linalg.norm(self._points(found, confidences, SURE) - self.world, axis=-1)
        posed = self._points(found, confidences, prior=self.poses)
        posed_away = np.linalg.norm(posed - self.world, axis=-1)
        two = (~self.hidden).sum(axis=0) >= 2
        result = {
            "space": float(np.nanmean(away)),
            "space_median": float(np.nanmedian(away)),
            "space_seen": float(np.nanmean(away[~self.hidden.any(axis=0)])),
            "space_two": float(np.nanmean(away[two])),
            "posed": float(np.nanmean(posed_away)),
            "posed_median": float(np.nanmedian(posed_away)),
            "posed_two": float(np.nanmean(posed_away[two])),
            "sure_share": float(np.isfinite(sure).mean()),
            "sure_median": float(np.nanmedian(sure)),
        }
        for kind, positions in (("predicted", found), ("projected", back)):
            errors = np.linalg.norm(positions - self.frames, axis=-1)
            for name, chosen in (("visible", ~self.hidden), ("hidden", self.hidden)):
                result[f"{kind}_{name}"] = [
                    float(np.nanmean(error[where])) if np.isfinite(error[where]).any() else None
                    for error, where in zip(errors, chosen, strict=True)
                ]
        return result

    def _points(
        self,
        found: ndarray,
        confidences: ndarray,
        least: float = 0.0,
        prior: PosePrior | None = None,
    ) -> ndarray:
        """Points in space (F, K, 3)."""
        options = TriangulationOptions(min_confidence=least, prior=prior)
        points, _ = triangulate_poses(self.rig, found, confidences, self.table, options)
        return points.table.points


def poses_of(project: SyntheticProject) -> PosePrior | None:
    """The poses in space that the labels of a project show."""
    views = ViewNames(tuple(project.views))
    labels = read_view_labels(dict(zip(project.views, project.label_files, strict=True)), views)
    rigs, _ = label_rigs(project.folder, labels, views, None)
    return label_poses(labels, views, rigs)


def predicted(
    model: Model, project: SyntheticProject, views: Sequence[str]
) -> tuple[ndarray, ndarray]:
    """Keypoints (V, F, K, 2) in frame px and confidences (V, F, K); NaN in the other views."""
    videos = dict(zip(project.views, project.test_videos, strict=True))
    boxes = {view: project.folder / f"squares_{SESSION}_{view}.csv" for view in views}
    found = model.predict_session({view: videos[view] for view in views}, boxes=boxes)
    some = next(iter(found.values()))
    keypoints = np.full((len(project.views), *some.keypoints.shape), np.nan)
    confidences = np.full(keypoints.shape[:-1], np.nan)
    for number, view in enumerate(project.views):
        if view in found:
            keypoints[number] = found[view].keypoints.numpy()
            confidences[number] = found[view].confidences.numpy()
    return keypoints, confidences


# ------------------------------------------------------------------------------------------- study
@dataclass(frozen=True)
class Study:
    """Variants to compare, each trained with the same seeds, labels and steps.

    Attributes:
        workdir: Where project, models and results lie.
        first: Optimiser steps of 8 images, each view alone, that all variants of a seed begin with.
        steps: Optimiser steps of each variant after these.
        seeds: One training each.
        weights: ImageNet weights of the backbone; None takes the hub's.
        side: Height and width of the images in model px.
        setting: What the cameras are.
        start: The variant whose way of training all begin with.
    """

    workdir: Path
    setting: Setting
    start: str
    first: int
    steps: int
    seeds: Sequence[int]
    weights: Path | None
    side: int

    def overrides(self, project: SyntheticProject, seed: int, side: int) -> list[str]:
        """What the runs of a seed share; last weights are kept, so that validation chooses none."""
        keys = ("training.rng_seed_data_pt", "training.rng_seed_model_pt")
        weights = [f"model.backbone_checkpoint={self.weights}"] if self.weights else []
        return [
            f"data.data_dir={project.folder}",
            f"data.view_names=[{','.join(project.views)}]",
            f"data.csv_file=[{','.join(file.name for file in project.label_files)}]",
            f"data.bbox_file=[{','.join(f'squares_{view}.csv' for view in project.views)}]",
            *RECIPE,
            *(f"data.image_resize_dims.{axis}={side}" for axis in ("height", "width")),
            *weights,
            *(f"{key}={seed}" for key in keys),
        ]

    def file(self, name: str, seed: int) -> Path:
        """Where one run's predictions lie; runs with other steps or sides have other files."""
        length = f"{self.first}_{self.steps}"
        return self.workdir / "results" / f"{name}-{length}-{self.side}_px-{seed}.npz"

    def results(self, name: str, truth: Truth) -> list[dict]:
        """The errors of the runs of a variant that are finished, with all views and without one."""
        found = []
        for file in (self.file(name, seed) for seed in self.seeds):
            if file.is_file():
                with np.load(file) as kept:
                    ends = ("", *(f"_without_{view}" for view in self.setting.taken_away))
                    found.append(
                        {
                            end: truth.measured(kept[f"keypoints{end}"], kept[f"confidences{end}"])
                            for end in ends
                        }
                    )
        return found

    def run(self, name: str, seed: int, project: SyntheticProject) -> dict[str, ndarray]:
        """Train one variant with one seed; predict with all views, and with some taken away."""
        folder = self.workdir / "models" / f"{name}-{seed}"
        begun = self._begun(project, seed)
        own = (f"training.max_steps={self.steps}", f"model.checkpoint={begun}", *LATER)
        shared = self.overrides(project, seed, self.side)
        train(
            load_config(CONFIG, [*shared, *own, *VARIANTS[name].overrides]), folder, overwrite=True
        )
        model = Model.from_dir(folder, device="cpu")
        found, confidences = predicted(model, project, project.views)
        kept = {"keypoints": found, "confidences": confidences}
        for view in self.setting.taken_away:
            number = project.views.index(view)
            others = [other for other in project.views if other != view]
            if model.tracker.views == "jointly":
                some, sure = predicted(model, project, others)
            else:
                some, sure = found.copy(), confidences.copy()
                some[number], sure[number] = np.nan, np.nan
            kept |= {f"keypoints_without_{view}": some, f"confidences_without_{view}": sure}
        return kept

    def _begun(self, project: SyntheticProject, seed: int) -> Path:
        """The model that all variants of a seed begin with."""
        start = "" if self.start == "shared" else f"{self.start}-"
        name = f"begun-{start}{self.first}-{FIRST_SIDE}_px-{seed}"
        folder = self.workdir / "models" / name
        if not (folder / "done").is_file():
            own = (f"training.max_steps={self.first}", *VARIANTS[self.start].overrides)
            shared = self.overrides(project, seed, FIRST_SIDE)
            train(load_config(CONFIG, [*shared, *own]), folder, overwrite=True)
            (folder / "done").touch()
        return folder

    def run_all(self, names: Sequence[str]) -> None:
        """Do what is not done yet."""
        project = get_project(self.workdir, self.setting)
        (self.workdir / "results").mkdir(exist_ok=True)
        for seed in self.seeds:
            for name in names:
                if self.file(name, seed).is_file():
                    continue
                print(f"{name}, seed {seed}", flush=True)
                with tempfile.TemporaryDirectory(dir=self.workdir) as beside:
                    file = Path(beside) / "run.npz"
                    np.savez_compressed(file, **self.run(name, seed, project))
                    file.replace(self.file(name, seed))


# ------------------------------------------------------------------------------------------ tables
KINDS = {"predicted": "as predicted", "projected": "from space"}


def cell(values: Sequence[float], digits: int = 2) -> str:
    """Mean ± standard deviation over seeds."""
    spread = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.{digits}f}{spread}"


def row(cells: Sequence[str]) -> str:
    """A row of a table in Markdown."""
    return "| " + " | ".join(cells) + " |"


def view_table(study: Study, truth: Truth, views: Sequence[str]) -> list[str]:
    """Errors in each view, visible / occluded, means over seeds."""
    lines = [row(["", "", *views, "visible", "occluded"]), row(["---"] * (len(views) + 4))]
    for name, variant in VARIANTS.items():
        runs = [run[""] for run in study.results(name, truth)]
        for kind, title in KINDS.items() if runs else ():
            by = {
                part: np.array([run[f"{kind}_{part}"] for run in runs])
                for part in ("visible", "hidden")
            }
            pairs = zip(by["visible"].mean(axis=0), by["hidden"].mean(axis=0), strict=True)
            means = [cell(part.mean(axis=1).tolist()) for part in by.values()]
            lines.append(
                row([variant.title, title, *(f"{v:.2f} / {h:.2f}" for v, h in pairs), *means])
            )
    return lines


def space_table(study: Study, truth: Truth, views: Sequence[str]) -> list[str]:
    """Errors in space with all views, and with one view taken away, means over views and seeds."""
    header = [
        "",
        "mean, mm",
        "median",
        "seen by all",
        "by two",
        "with poses: mean",
        "median",
        "by two",
        "share of sure points",
        "their median",
    ]
    keys = (
        *("space", "space_median", "space_seen", "space_two"),
        *("posed", "posed_median", "posed_two", "sure_share", "sure_median"),
    )
    gone = [
        "",
        "visible",
        "occluded",
        "from space, visible",
        "occluded",
        "in the absent view",
        "mm",
    ]
    lines, more = [row(header), row(["---"] * len(header))], ["", row(gone), row(["---"] * 7)]
    for name, variant in VARIANTS.items():
        runs = study.results(name, truth)
        if runs:
            cells = {key: [run[""][key] for run in runs] for key in keys}
            lines.append(row([variant.title, *map(cell, cells.values())]))
            more.append(row([variant.title, *_without_one(runs, views, study.setting.taken_away)]))
    return [*lines, *more, "", f"The body is {truth.body:.2f} mm long."]


def _without_one(
    runs: Sequence[dict], views: Sequence[str], taken_away: Sequence[str]
) -> list[str]:
    """Figures of each run, means over the views that are taken away."""
    cells: dict[str, list[float]] = {}
    for run in runs:
        parts: dict[str, list[float]] = {}
        for view in taken_away:
            number = views.index(view)
            found = run[f"_without_{view}"]
            for kind in KINDS:
                for part in ("visible", "hidden"):
                    values = found[f"{kind}_{part}"]
                    rest = [value for place, value in enumerate(values) if place != number]
                    parts.setdefault(f"{kind}_{part}", []).append(statistics.fmean(rest))
            absent = [found[f"projected_{part}"][number] for part in ("visible", "hidden")]
            parts.setdefault("absent", []).append(statistics.fmean(absent))
            parts.setdefault("space", []).append(found["space"])
        for key, values in parts.items():
            cells.setdefault(key, []).append(statistics.fmean(values))
    return [cell(values) for values in cells.values()]


def main() -> None:
    """Run what is missing, then print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workdir", type=Path, required=True)
    parser.add_argument("--weights", type=Path, help="ImageNet weights of tf_efficientnet_lite0")
    parser.add_argument("--first", type=int, default=600, help="steps before the variants part")
    parser.add_argument("--steps", type=int, default=250, help="steps of each variant")
    parser.add_argument("--side", type=int, default=FIRST_SIDE, help="of the images, in model px")
    parser.add_argument("--setting", choices=list(SETTINGS), default="around")
    parser.add_argument("--start", choices=list(VARIANTS), default="shared")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    given = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.INFO)
    setting = SETTINGS[given.setting]
    lengths = given.first, given.steps, given.seeds
    study = Study(given.workdir, setting, given.start, *lengths, given.weights, given.side)
    study.run_all(given.variants)
    project = get_project(given.workdir, setting)
    truth = Truth.of(project)
    print("\n".join(view_table(study, truth, project.views)), "", sep="\n")
    print("\n".join(space_table(study, truth, project.views)))


if __name__ == "__main__":
    main()
