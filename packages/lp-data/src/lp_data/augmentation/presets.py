"""The named augmentations that a config can ask for.

Their effects and probabilities are those of Lightning Pose. Sizes in px are model px: here an image
is augmented at the size that the network sees.
"""

from __future__ import annotations

from types import MappingProxyType

from lp_data.augmentation.affine_effects import Affine, CropAndPad, Rot90
from lp_data.augmentation.blur import Emboss, MotionBlur
from lp_data.augmentation.effect import Effect
from lp_data.augmentation.elastic import ElasticDeformation
from lp_data.augmentation.intensity import (
    CLAHE,
    BrightnessContrast,
    HistogramEqualization,
    ShotNoise,
)
from lp_data.augmentation.occlusion import CoarseDropout, CoarsePepper, CoarseSalt

_ROTATION = (Affine(probability=0.4, rotation=(-25, 25)),)
_LOCAL = (
    MotionBlur(probability=0.5, size=5, angle=(-90, 90)),
    CoarseDropout(probability=0.5, fraction=0.02, resolution=0.3, per_channel=0.5),
    CoarseSalt(probability=0.5, fraction=0.01, resolution=(0.05, 0.1)),
    CoarsePepper(probability=0.5, fraction=0.01, resolution=(0.05, 0.1)),
)
_ELASTIC = (ElasticDeformation(probability=0.5, alpha=(0, 10), sigma=5),)
_CONTRAST = (
    HistogramEqualization(probability=0.1),
    CLAHE(probability=0.1),
    Emboss(probability=0.1, alpha=(0, 0.5), strength=(0.5, 1.5)),
)
_CROP = (CropAndPad(probability=0.4, amount=(-0.15, 0.15)),)
_DLC = (*_ROTATION, *_LOCAL, *_ELASTIC, *_CONTRAST, *_CROP)
_CLIP = (
    Affine(rotation=(-10, 10), scale=(0.8, 1.2)),
    BrightnessContrast(brightness=(0.75, 1.25), contrast=(0.75, 1.25)),
    ShotNoise(factor=(0, 10)),
)

PRESETS: MappingProxyType[str, tuple[Effect, ...]] = MappingProxyType(
    {
        "default": (),
        "none": (),
        "dlc": _DLC,
        "dlc-lr": (Rot90(turns=(0, 2)), *_DLC),
        "dlc-top-down": (Rot90(turns=(0, 1, 2, 3)), *_DLC),
        "dlc-mv": (*_LOCAL, *_CONTRAST),
        "clip": _CLIP,
    }
)
"""Effects by preset.

``default`` and ``none`` do nothing beyond the resize. ``dlc`` is that of DeepLabCut 2; ``dlc-lr``
adds half turns, ``dlc-top-down`` quarter turns, and ``dlc-mv`` moves nothing, so that views stay
consistent with their cameras. ``clip`` is for clips of unlabelled videos.
"""
