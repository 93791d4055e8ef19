import torch

from lp_core.geometry.affine import transform
from lp_core.geometry.decoding import decode_heatmaps
from lp_core.geometry.targets import heatmap_targets


def test_coordinates_keep_their_precision_under_bfloat16_autocast():
    keypoints = torch.rand(3, 4, 2) * 200 + 20
    heatmaps = heatmap_targets(keypoints, (256, 256), (64, 64))
    to_frame = torch.tensor([[[7.3, 0.1, 900.0], [0.2, 6.9, -40.0]]]).expand(3, 2, 3)
    plain, confidences = decode_heatmaps(heatmaps, (256, 256))
    with torch.autocast("cpu", torch.bfloat16):
        mixed, mixed_confidences = decode_heatmaps(heatmaps, (256, 256))
        mixed_frame = transform(mixed, to_frame)
    torch.testing.assert_close(mixed, plain)
    torch.testing.assert_close(mixed_confidences, confidences)
    torch.testing.assert_close(mixed_frame, transform(plain, to_frame))
