"""Keypoints that augmentation moves off the image, and what a tracker learns of them."""

import pytest
import torch

from lp_pipeline.config.load import load_config
from lp_pipeline.training.setup import set_up

TURNED = "[{name: affine, probability: 1.0, rotation: [-60, 60]}]"


@pytest.mark.parametrize("uniform", [True, False])
def test_a_keypoint_moved_off_the_image_is_uniform_or_left_out(uniform, config_file, tiny_training):
    overrides = (
        *tiny_training,
        f"training.imgaug={TURNED}",
        f"training.uniform_heatmaps_for_nan_keypoints={uniform}",
    )
    setup = set_up(load_config(config_file, overrides).config)
    setup.data.setup("fit")
    batches = [setup.tracker.add_targets(batch) for batch in setup.data.train_dataloader()]
    heatmaps = torch.cat([batch["heatmaps"] for batch in batches])
    placed = torch.cat([batch["keypoints"] for batch in batches]).isfinite().all(-1)
    rows = torch.cat([batch["table_row"] for batch in batches])
    visible = torch.from_numpy(setup.data.dataset.table.codes == 2)[rows]
    left = heatmaps[visible & ~placed]
    assert len(left) > 0
    height, width = heatmaps.shape[-2:]
    expected = 1 / (height * width) if uniform else 0.0
    torch.testing.assert_close(left, torch.full_like(left, expected))
    peaks = heatmaps[visible & placed].flatten(1).amax(dim=1)
    assert (peaks > 10 / (height * width)).all()
