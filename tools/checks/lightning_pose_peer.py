"""Train and predict with Lightning Pose lightning-pose, in an environment of its own.

`lightning_pose_conversion.py` runs this with the Python of that environment; it imports nothing of
ours. No pre-trained weights are fetched: networks start from random weights, since what is compared
is arithmetic, not skill.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("project", type=Path, help="a folder with label files and images")
    parser.add_argument("video", type=Path)
    parser.add_argument("model_dir", type=Path)
    parser.add_argument("--model-type", required=True)
    parser.add_argument("--backbone", required=True)
    parser.add_argument("--size", type=int, required=True, help="height and width in model px")
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--downsample-factor", type=int, default=2)
    parser.add_argument("--train-frames", type=int, default=8)
    parser.add_argument("--views", nargs="*", default=[], help="of a model of several views")
    return parser.parse_args()


def keypoint_names(csv_file: Path) -> list[str]:
    """The names in the second header row of a label file, each once."""
    with csv_file.open(encoding="utf-8") as file:
        next(file)
        names = next(file).strip().split(",")[1:]
    return list(dict.fromkeys(names))


def label_files(views: list[str]) -> list[str]:
    """The names of the label files, one per view."""
    return [f"CollectedData_{view}.csv" for view in views] or ["CollectedData.csv"]


def config(given: argparse.Namespace) -> dict[str, Any]:
    """A config of Lightning Pose."""
    files = label_files(given.views)
    names = keypoint_names(given.project / files[0])
    several = {"view_names": given.views, "csv_file": files} if given.views else {}
    return {
        "data": {
            "image_resize_dims": {"height": given.size, "width": given.size},
            "data_dir": str(given.project),
            "video_dir": str(given.video.parent),
            "csv_file": "CollectedData.csv",
            "downsample_factor": given.downsample_factor,
            "num_keypoints": len(names),
            "keypoint_names": names,
            "mirrored_column_matches": None,
            "columns_for_singleview_pca": None,
            **several,
        },
        "training": {
            "imgaug": "default",
            "train_batch_size": 8,
            "val_batch_size": 16,
            "test_batch_size": 16,
            "train_prob": 0.9,
            "val_prob": 0.05,
            "train_frames": given.train_frames,
            "num_gpus": 1,
            "num_workers": 0,
            "unfreezing_epoch": 1,
            "min_epochs": given.epochs,
            "max_epochs": given.epochs,
            "log_every_n_steps": 1,
            "check_val_every_n_epoch": given.epochs,
            "early_stopping": False,
            "rng_seed_data_pt": 0,
            "rng_seed_model_pt": 0,
            "optimizer": "Adam",
            "optimizer_params": {"learning_rate": 3e-4 if given.views else 2e-3},
            "lr_scheduler": "multisteplr",
            "lr_scheduler_params": {
                "multisteplr": {"milestones": [2 * given.epochs // 3], "gamma": 0.3}
            },
            "uniform_heatmaps_for_nan_keypoints": True,
        },
        "model": {
            "losses_to_use": [],
            "backbone": given.backbone,
            "backbone_pretrained": False,
            "model_type": given.model_type,
            "heatmap_loss_type": "mse",
            "head": "heatmap_cnn",
            "model_name": "converted",
            "checkpoint": None,
        },
        "dali": {
            "base": {"train": {"sequence_length": 8}, "predict": {"sequence_length": 32}},
            "context": {"train": {"batch_size": 8}, "predict": {"sequence_length": 32}},
            "general": {"seed": 123456},
        },
        "losses": {},
        "eval": {
            "predict_vids_after_training": False,
            "test_videos_directory": str(given.video.parent),
            "save_vids_after_training": False,
            "colormap": "cool",
            "confidence_thresh_for_vid": 0.9,
        },
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


def videos_of(video: Path, views: list[str]) -> list[Path]:
    """The videos of all views of the session that a video ``<session>_<view>`` is of."""
    session = next(video.stem.removesuffix(v) for v in views if video.stem.endswith(f"_{v}"))
    return [video.with_stem(session + view) for view in views]


def start_from_random_weights() -> None:
    """Give the package random weights where it would download those of a pose network."""
    import torch
    import torchvision

    def weights(url: str, *_: object, **__: object) -> dict[str, Any]:
        network = torchvision.models.resnet50(weights=None)
        state = {f"backbone.{name}": value for name, value in network.state_dict().items()}
        return {"state_dict": state}

    torch.hub.load_state_dict_from_url = weights
    import transformers

    small = {"hidden_size": 384, "num_attention_heads": 6, "num_hidden_layers": 12}

    def vit(*_: object, **__: object) -> Any:
        chosen = transformers.ViTConfig(**small, intermediate_size=1536)
        return transformers.ViTModel(chosen, add_pooling_layer=False)

    def dino(*_: object, **__: object) -> Any:  # the package changes the config that it is given
        chosen = transformers.Dinov2Config(**small, image_size=518, patch_size=14)
        return transformers.Dinov2Model(chosen)

    transformers.ViTModel.from_pretrained = vit
    transformers.AutoModel.from_pretrained = dino


def trust_own_checkpoints() -> None:
    """Let the package load what it has just written; newer versions of torch refuse its pickles."""
    import torch

    load = torch.load
    torch.load = lambda *given, **named: load(*given, **{**named, "weights_only": False})


def main() -> None:
    """Train, unless that is done, and write the predictions of the video to ``video_preds``."""
    given = arguments()
    given.project, given.video = given.project.resolve(), given.video.resolve()
    from lightning_pose.api import Model
    from lightning_pose.train import train
    from omegaconf import OmegaConf

    start_from_random_weights()
    trust_own_checkpoints()
    if not list(given.model_dir.rglob("*.ckpt")):
        train(OmegaConf.create(config(given)), model_dir=given.model_dir, skip_evaluation=True)
    model, plain = Model.from_dir(given.model_dir), {"compute_metrics": False, "reader": "opencv"}
    if given.views:
        model.predict_on_video_file_multiview(videos_of(given.video, given.views), **plain)
    else:
        model.predict_on_video_file(given.video, **plain)


if __name__ == "__main__":
    main()
