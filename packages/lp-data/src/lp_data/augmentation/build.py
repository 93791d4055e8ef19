"""From what a config says to an augmenter."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

from jaxtyping import Int
from numpy import ndarray

from lp_core.errors import PoseError, unknown_name
from lp_core.options import option_problems, read_options
from lp_core.poses import Skeleton
from lp_core.registry import AUGMENTATIONS, load_plugin
from lp_data.augmentation.affine_effects import HorizontalFlip
from lp_data.augmentation.composition import Composition
from lp_data.augmentation.effect import Effect
from lp_data.augmentation.imgaug_form import from_imgaug
from lp_data.augmentation.presets import PRESETS
from lp_data.errors import AugmentationError

_log = logging.getLogger(__name__)

FLIP_PROBABILITY = 0.5

AugmentationSpec = str | Sequence[object] | Mapping[str, object]
"""A preset's name; a list of effects; or Lightning Pose's mapping of imgaug's transforms."""


def build_augmenter(
    spec: AugmentationSpec,
    skeleton: Skeleton,
    horizontal_flip: bool = False,
) -> Composition:
    """Build the augmenter that a config asks for.

    Args:
        spec: The name of a preset (`lp_data.augmentation.presets`); or a list of effects by the
            names under which they are registered in ``lp.augmentations``, such as
            ``[{"name": "affine", "probability": 0.4, "rotation": [-25, 25]}]``, where a list of two
            numbers is a range; or ``{"Affine": {"p": 0.4, "kwargs": {"rotate": [-25, 25]}}}``, with
            the names of imgaug.
        skeleton: The keypoints; flips swap its left-right pairs, or those that its names tell.
        horizontal_flip: Also mirror half of the images, and swap left and right in their labels.

    Returns:
        An augmenter; pickling keeps it.

    Raises:
        UnknownNameError: No preset or effect has this name.
        AugmentationError: An option is unknown or has no meaning; or an effect mirrors the image,
            and the names of left and right keypoints do not pair up.
    """
    effects = _effects(spec)
    if horizontal_flip:
        effects = (HorizontalFlip(probability=FLIP_PROBABILITY), *effects)
    made = Composition(effects)
    return replace(made, permutation=_swaps(skeleton)) if made.mirrors else made


def _swaps(skeleton: Skeleton) -> Int[ndarray, " keypoints"]:
    """Where each keypoint's label is found in a mirror image."""
    try:
        skeleton = skeleton.with_sides_by_name()
    except PoseError as error:
        raise AugmentationError(
            f"a flip cannot swap left and right: {error.problem}",
            where="data.keypoint_names",
            remedy="name both partners alike but for 'left' and 'right', or list the pairs in "
            "data.left_right, or switch flips off",
        ) from error
    if not skeleton.left_right:
        _log.warning(
            "no keypoint name has 'left' or 'right', and data.left_right names no pairs: a flip "
            "swaps no names"
        )
    return skeleton.mirror_permutation


def _effects(spec: AugmentationSpec) -> tuple[Effect, ...]:
    if isinstance(spec, str):
        if spec not in PRESETS:
            raise unknown_name("augmentation preset", spec, PRESETS)
        return PRESETS[spec]
    entries = from_imgaug(spec) if isinstance(spec, Mapping) else spec
    return tuple(_effect(entry) for entry in entries)


def _effect(entry: object) -> Effect:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("name"), str):
        raise AugmentationError(
            f"an augmentation is {entry!r}",
            remedy="give a mapping with a name, such as {name: affine, rotation: [-25, 25]}",
        )
    name = entry["name"]
    effect_class = load_plugin(AUGMENTATIONS, name)
    if not isinstance(effect_class, type) or not issubclass(effect_class, Effect):
        raise AugmentationError(
            f"the augmentation '{name}' is not an effect",
            remedy="derive it from AffineEffect, WarpEffect or PhotometricEffect of lp_data",
        )
    options = {key: value for key, value in entry.items() if key != "name"}
    place = f"augmentation '{name}'"
    for problem in option_problems(effect_class, options):
        if problem.name not in options or problem.remedy:
            raise AugmentationError(f"the {place}: {problem.message}", remedy=problem.remedy)
        wrong = f"'{problem.name}' is {options[problem.name]!r}"
        raise AugmentationError(wrong, where=place, remedy=problem.message)
    return read_options(effect_class, options, place=place)
