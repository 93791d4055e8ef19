"""One training of `learning.py`, ours or Lightning Pose's, and the heatmaps of the held-out frames.

Both sides read the same config, learn from the same frames and are judged on the same others.
Lightning Pose's part runs in any environment that holds it, and imports nothing of ours.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
import types
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import random_split

SIDE, BATCH, UNFREEZE = 128, 8, 20
SHARES = (0.8, 0.1, 0.1)
"""Of the frames: to learn from, to choose the best epoch by, and to test on."""


def keypoint_names(project: Path) -> list[str]:
    """The keypoints of the label file, in its order."""
    with (project / "CollectedData.csv").open(encoding="utf-8") as file:
        next(file)
        return list(dict.fromkeys(next(file).strip().split(",")[1:]))


def split(frames: int) -> list[tuple[int, ...]]:
    """Rows that train, validate and test: those that Lightning Pose draws with the seed 0."""
    sizes = [int(share * frames + 1e-9) for share in SHARES]
    sizes[2] = frames - sizes[0] - sizes[1]
    generator = torch.Generator().manual_seed(0)
    return [tuple(part) for part in random_split(range(frames), sizes, generator=generator)]


def config(project: Path, seed: int, epochs: int) -> dict[str, Any]:
    """A config that both sides read; what it leaves out of the defaults is irrelevant here."""
    names = keypoint_names(project)
    milestones = [epochs // 2, 2 * epochs // 3, 5 * epochs // 6]  # as in its 300 epochs
    return {
        "data": {
            "image_resize_dims": {"height": SIDE, "width": SIDE},
            "data_dir": str(project),
            "video_dir": "labeled-data",  # Lightning Pose insists on one
            "csv_file": "CollectedData.csv",
            "downsample_factor": 2,
            "num_keypoints": len(names),
            "keypoint_names": names,
            "mirrored_column_matches": None,
            "columns_for_singleview_pca": None,
        },
        "training": {
            "imgaug": "dlc",
            "train_batch_size": BATCH,
            "val_batch_size": 16,
            "test_batch_size": 16,
            "train_prob": SHARES[0],
            "val_prob": SHARES[1],
            "train_frames": 1,
            "num_gpus": 1,
            "num_workers": 0,
            "unfreezing_epoch": UNFREEZE,
            "min_epochs": epochs,
            "max_epochs": epochs,
            "log_every_n_steps": 10,
            "check_val_every_n_epoch": 5 if epochs >= 5 else 1,
            "early_stopping": False,
            "rng_seed_data_pt": 0,
            "rng_seed_model_pt": seed,
            "optimizer": "Adam",
            "optimizer_params": {"learning_rate": 1e-3},
            "lr_scheduler": "multisteplr",
            "lr_scheduler_params": {"multisteplr": {"milestones": milestones, "gamma": 0.5}},
            "uniform_heatmaps_for_nan_keypoints": True,
        },
        "model": {
            "losses_to_use": [],
            "backbone": "resnet18",
            "backbone_pretrained": False,
            "model_type": "heatmap",
            "heatmap_loss_type": "mse",
            "model_name": "bench",
            "checkpoint": None,
        },
        "dali": {
            "base": {"train": {"sequence_length": 8}, "predict": {"sequence_length": 32}},
            "context": {"train": {"batch_size": 8}, "predict": {"sequence_length": 32}},
            "general": {"seed": 123456},
        },
        "losses": {},
        "eval": {"predict_vids_after_training": False, "save_vids_after_training": False},
        "callbacks": {
            "anneal_weight": {
                "attr_name": "total_unsupervised_importance",
                "init_val": 0.0,
                "increase_factor": 0.01,
                "final_val": 1.0,
                "freeze_until_epoch": 0,
            }
        },
    }


# ------------------------------------------------------------------------------------------- ours
Change = Callable[[Any], None]
"""What a variant changes of what was built from the config, before it learns."""


def _unchanged(setup: Any) -> None:
    """Train as the config says."""


def _without_augmentation(setup: Any) -> None:
    """Show every frame as it is."""
    setup.data.dataset.augmenter = None


def _augmented_in_frame_pixels(setup: Any) -> None:
    """Blur, drop out and bend by as many pixels of the frame as the config says of the model's."""
    from lp_data.augmentation.blur import MotionBlur
    from lp_data.augmentation.elastic import ElasticDeformation
    from lp_data.augmentation.occlusion import CoarseDropout

    data = setup.data.dataset
    zoom = max(data.frame_size(0)) / SIDE

    def scaled(effect: Any) -> Any:
        if isinstance(effect, CoarseDropout):
            return dataclasses.replace(effect, resolution=min(1.0, effect.resolution * zoom))
        if isinstance(effect, ElasticDeformation):
            alpha = tuple(bound / zoom**2 for bound in effect.alpha)
            return dataclasses.replace(effect, alpha=alpha, sigma=max(0.5, effect.sigma / zoom))
        if isinstance(effect, MotionBlur):
            return dataclasses.replace(effect, size=3)
        return effect

    effects = tuple(scaled(effect) for effect in data.augmenter.effects)
    data.augmenter = dataclasses.replace(data.augmenter, effects=effects)


def _optimization(setup: Any, **changes: Any) -> None:
    """Learn by another schedule."""
    setup.tracker.optimization = dataclasses.replace(setup.tracker.optimization, **changes)


def _gradients_while_frozen(setup: Any) -> None:
    """Let the optimiser see the backbone's gradients also while its learning rate is 0."""
    encode = type(setup.tracker).encode

    def always(tracker: Any, images: Any) -> Any:
        tracker.backbone_trainable = True
        return encode(tracker, images)

    setup.tracker.encode = types.MethodType(always, setup.tracker)


VARIANTS: dict[str, Change] = {
    "ours": _unchanged,
    "no augmentation": _without_augmentation,
    "augmented in frame px": _augmented_in_frame_pixels,
    "gradients while frozen": _gradients_while_frozen,
    "unfrozen at full rate": functools.partial(_optimization, unfreeze_initial_ratio=1.0),
    "never frozen": functools.partial(_optimization, unfreeze=0),
    "learning rate kept": functools.partial(_optimization, milestones=()),
}
"""Ours, and ours with one thing changed."""


def train_ours(
    project: Path, variant: str, seed: int, epochs: int, device: str, folder: Path
) -> Any:
    """Train one of `VARIANTS`; the heatmaps of the best and the last epoch.

    Args:
        project: A folder with CollectedData.csv.
        variant: A key of `VARIANTS`.
        seed: Of the model's first weights, and of the augmentation's chance.
        epochs: How long.
        device: ``cpu`` or ``cuda``.
        folder: A new folder for the model.
    """
    import yaml

    from lp_core.display import SILENT
    from lp_data.split import Split
    from lp_pipeline.config.load import load_config
    from lp_pipeline.training.run import fit, prepare

    quiet()
    folder.mkdir(parents=True)
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(config(project, seed, epochs)))
    accelerator = "gpu" if device == "cuda" else "cpu"
    loaded = load_config(
        file, [f"training.accelerator={accelerator}", "training.save_state_every_n_seconds=null"]
    )
    setup = prepare(loaded, SILENT)
    train, validation, test = split(len(setup.data.dataset))
    setup.data.split = Split(train, validation, test)
    setup.data.seed = setup.data.dataset.seed = seed
    VARIANTS[variant](setup)
    best = fit(loaded, setup, folder, SILENT).tracker
    rows = [*validation, *test]
    return {
        "best": _heatmaps(best, setup.data, rows, device),
        "last": _heatmaps(setup.tracker, setup.data, rows, device),
    }


@torch.no_grad()
def _heatmaps(tracker: Any, data: Any, rows: list[int], device: str) -> np.ndarray:
    """(rows, K, h, w) of ``rows``, each map with sum 1."""
    plain = data.dataset.without_augmentation()
    images = torch.stack([plain[row]["images"] for row in rows])
    tracker = tracker.to(device).eval()
    return np.asarray(tracker(images.to(device)).float().cpu().numpy())


def quiet() -> None:
    """Say nothing of what the trainer thinks of so small a data set."""
    warnings.filterwarnings("ignore")
    for name in ("pytorch_lightning", "lightning.pytorch", "lightning_pose"):
        logging.getLogger(name).setLevel(logging.ERROR)


# -------------------------------------------------------------------------------- Lightning Pose
def train_peer(project: Path, seed: int, epochs: int, folder: Path) -> Any:
    """Train Lightning Pose; the heatmaps of the best epoch, and its own positions and confidences.

    Args:
        project: A folder with CollectedData.csv.
        seed: Of the model's first weights.
        epochs: How long.
        folder: A new folder for the model.
    """
    from lightning_pose.api import Model
    from lightning_pose.train import train
    from omegaconf import OmegaConf

    quiet()
    _trust_own_checkpoints()
    train(OmegaConf.create(config(project, seed, epochs)), model_dir=folder, skip_evaluation=True)
    model = Model.from_dir(folder)
    model._load()
    return peer_maps(model, project)


@torch.no_grad()
def peer_maps(model: Any, project: Path) -> Any:
    """What a trained model of Lightning Pose gives for the held-out frames."""
    from lightning_pose.data import get_dataset, get_imgaug_transform

    settings = model.config.cfg.copy()
    settings.training.imgaug = "default"
    transform = get_imgaug_transform(cfg=settings, data_dir=str(project))
    dataset = get_dataset(cfg=settings, data_dir=str(project), imgaug_transform=transform)
    _, validation, test = split(len(dataset))
    samples = [dataset[row] for row in (*validation, *test)]
    network = model.model.eval()
    images = torch.stack([sample["images"] for sample in samples]).to(network.device)
    maps = network(images)
    positions, confidences = network.head.run_subpixelmaxima(maps)
    return {
        "best": maps.float().cpu().numpy(),
        "positions": positions.float().cpu().numpy().reshape(len(samples), -1, 2),
        "confidences": confidences.float().cpu().numpy(),
    }


def _trust_own_checkpoints() -> None:
    """Let the package load what it has just written; newer versions of torch refuse its pickles."""
    load = torch.load
    torch.load = lambda *given, **named: load(*given, **{**named, "weights_only": False})
