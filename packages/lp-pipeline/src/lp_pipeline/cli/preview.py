"""``litpose preview``: a contact sheet of what the network will see."""

from __future__ import annotations

from pathlib import Path

import typer

from lp_pipeline.cli.session import start_session

IMAGES = 6


def run_preview(config_file: Path, overrides: list[str], output: Path) -> None:
    """Write augmented training images with their keypoints and target heatmaps."""
    start_session()
    import cv2
    import numpy as np
    import torch

    from lp_core.atomic import written_beside
    from lp_core.geometry.targets import heatmap_targets
    from lp_data.augmentation.build import build_augmenter
    from lp_data.augmentation.preview import preview_images
    from lp_pipeline.builders.data import get_dataset
    from lp_pipeline.builders.labels import get_labels
    from lp_pipeline.builders.tracker_class import get_tracker_class
    from lp_pipeline.config.load import load_config

    config = load_config(config_file, overrides, check_paths=True).config
    labels = get_labels(config)
    rows = range(0, len(labels), max(1, len(labels) // IMAGES))
    labels = labels.subset(list(rows)[:IMAGES])
    dataset = get_dataset(config, get_tracker_class(config), labels).without_augmentation()
    cell = 2**config.data.downsample_factor

    def heatmaps_of(keypoints: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        cells = (size[0] // cell, size[1] // cell)
        points = torch.from_numpy(keypoints)[None].float()
        return heatmap_targets(points, size, cells)[0].numpy()

    samples = []
    for row in range(len(dataset)):
        sample = dataset[row]
        image = sample["images"] if sample["images"].ndim == 3 else sample["images"][2]
        picture = np.ascontiguousarray(image.permute(1, 2, 0).numpy())
        samples.append((picture, sample["keypoints"].double().numpy()))
    training = config.training
    augmenter = build_augmenter(training.imgaug, labels.keypoint_names, training.imgaug_hflip)
    rng = np.random.default_rng(training.rng_seed_data_pt)
    sheet = preview_images(samples, augmenter, rng, heatmaps_of=heatmaps_of)
    with written_beside(output) as beside:
        encoded = cv2.imencode(".png", sheet[..., ::-1])[1]
        beside.write_bytes(encoded.tobytes())
    typer.echo(f"augmented training images: {output}")
