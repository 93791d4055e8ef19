"""Lightning Pose's own form of a custom augmentation: ``{TransformName: {p, args, kwargs}}``.

Its names and arguments are those of imgaug. A list of two numbers is a range; a list within a list
is a choice. An argument that is left out takes the default of our effect, which is that of preset
``dlc``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from lp_core.errors import suggestion, unknown_name
from lp_data.augmentation.values import is_number
from lp_data.errors import AugmentationError

Options = dict[str, object]


class _Transform(NamedTuple):
    """An effect, and imgaug's arguments in their order with the options that they set.

    An argument without a counterpart has None, and one that makes no difference here `_IGNORED`.
    """

    effect: str
    arguments: Mapping[str, str | None]


def _choices(value: object) -> object:
    """Whole numbers to choose from: one, those of a range, or those of a list in a list."""
    if isinstance(value, Sequence) and len(value) == 1 and isinstance(value[0], Sequence):
        return tuple(value[0])
    if isinstance(value, Sequence) and len(value) == 2 and all(map(is_number, value)):
        return tuple(range(int(value[0]), int(value[1]) + 1))
    return tuple(value) if isinstance(value, Sequence) else (value,)


def _as_number(value: object) -> object:
    """True and False as 1 and 0."""
    return float(value) if isinstance(value, bool) else value


_CONVERSIONS: Mapping[str, Callable[[object], object]] = MappingProxyType(
    {"turns": _choices, "per_channel": _as_number}
)
_IGNORED = ""
_COARSE = {"p": "fraction", "size_px": None, "size_percent": "resolution"}
_EQUALIZE = _Transform("histogram_equalization", {})
_ADAPTIVE = _Transform("clahe", {"clip_limit": "clip_limit", "tile_grid_size_px": "tiles"})

_TRANSFORMS: MappingProxyType[str, _Transform] = MappingProxyType(
    {
        "Affine": _Transform(
            "affine",
            {
                "scale": "scale",
                "translate_percent": "translation",
                "translate_px": None,
                "rotate": "rotation",
            },
        ),
        "Rotate": _Transform("affine", {"rotate": "rotation"}),
        "Rot90": _Transform("rot90", {"k": "turns", "keep_size": _IGNORED}),
        "CropAndPad": _Transform(
            "crop_and_pad", {"px": None, "percent": "amount", "keep_size": _IGNORED}
        ),
        "Fliplr": _Transform("horizontal_flip", {"p": "probability"}),
        "Flipud": _Transform("vertical_flip", {"p": "probability"}),
        "ElasticTransformation": _Transform("elastic", {"alpha": "alpha", "sigma": "sigma"}),
        "MotionBlur": _Transform("motion_blur", {"k": "size", "angle": "angle"}),
        "CoarseDropout": _Transform("coarse_dropout", {**_COARSE, "per_channel": "per_channel"}),
        "CoarseSalt": _Transform("coarse_salt", _COARSE),
        "CoarsePepper": _Transform("coarse_pepper", _COARSE),
        "AllChannelsHistogramEqualization": _EQUALIZE,
        "HistogramEqualization": _EQUALIZE,
        "AllChannelsCLAHE": _ADAPTIVE,
        "CLAHE": _ADAPTIVE,
        "Emboss": _Transform("emboss", {"alpha": "alpha", "strength": "strength"}),
    }
)


def from_imgaug(spec: Mapping[str, object]) -> list[Options]:
    """The same augmentation as a list of effects with their options.

    Args:
        spec: imgaug's names of transforms, each with ``p``, ``args`` and ``kwargs``, all optional.

    Raises:
        UnknownNameError: A transform has no counterpart among our effects.
        AugmentationError: An argument has none, or the form is not kept.
    """
    return [_translate(name, entry) for name, entry in spec.items()]


def _translate(name: str, entry: object) -> Options:
    if name not in _TRANSFORMS:
        raise unknown_name("augmentation of imgaug", name, _TRANSFORMS)
    entry = {} if entry is None else entry
    if not isinstance(entry, Mapping) or not set(entry) <= {"p", "args", "kwargs"}:
        raise AugmentationError(
            f"the augmentation '{name}' is {entry!r}",
            remedy="give a mapping with p, args and kwargs, such as {p: 0.5, kwargs: {}}",
        )
    transform = _TRANSFORMS[name]
    options = _options(name, transform, entry)
    inner, outer = options.pop("probability", 1.0), entry.get("p", 1.0)
    if not is_number(inner) or not is_number(outer):
        raise AugmentationError(f"'p' of '{name}' is not a number", remedy="give one from 0 to 1")
    return {"name": transform.effect, "probability": inner * outer, **options}


def _options(name: str, transform: _Transform, entry: Mapping[str, object]) -> Options:
    """The options that ``args`` and ``kwargs`` set."""
    args, kwargs = entry.get("args") or (), entry.get("kwargs") or {}
    if not isinstance(args, Sequence) or isinstance(args, str) or not isinstance(kwargs, Mapping):
        raise AugmentationError(
            f"'args' of '{name}' is not a list, or 'kwargs' is not a mapping",
            remedy="write args: [...] and kwargs: {...}",
        )
    if len(args) > len(transform.arguments):
        raise _no_counterpart(name, transform, f"argument {len(transform.arguments) + 1}")
    named = {**dict(zip(transform.arguments, args, strict=False)), **kwargs}
    options: Options = {}
    for key, value in named.items():
        option = transform.arguments.get(key)
        if option is None:
            raise _no_counterpart(name, transform, f"argument '{key}'")
        if option != _IGNORED:
            options[option] = _CONVERSIONS[option](value) if option in _CONVERSIONS else value
    return options


def _no_counterpart(name: str, transform: _Transform, argument: str) -> AugmentationError:
    """An error for an argument of imgaug that no option stands for."""
    known = [key for key, value in transform.arguments.items() if value is not None]
    return AugmentationError(
        f"the {argument} of '{name}' has no counterpart",
        remedy=suggestion(argument.removeprefix("argument ").strip("'"), known),
    )
