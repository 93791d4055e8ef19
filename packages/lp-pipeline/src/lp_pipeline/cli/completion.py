"""What the Tab key offers, beside commands and options."""

from __future__ import annotations

DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")
KINDS = ("models", "backbones", "losses", "readers", "augmentations")


def complete_override(incomplete: str) -> list[str]:
    """The keys of a config that begin so, each with the equals sign that follows it."""
    from lp_pipeline.config.fields import config_fields

    keys = (f"{'.'.join(path)}=" for path in config_fields())
    return [key for key in keys if key.startswith(incomplete)]


def complete_reader(incomplete: str) -> list[str]:
    """The registered video readers that begin so, and ``auto``."""
    from lp_core.registry import VIDEO_READERS, registered

    return [name for name in ("auto", *registered(VIDEO_READERS)) if name.startswith(incomplete)]


def complete_device(incomplete: str) -> list[str]:
    """The devices that begin so."""
    return [name for name in DEVICES if name.startswith(incomplete)]


def complete_precision(incomplete: str) -> list[str]:
    """The precisions that begin so."""
    return [name for name in PRECISIONS if name.startswith(incomplete)]


def complete_kind(incomplete: str) -> list[str]:
    """What `litpose list` can list and begins so."""
    return [name for name in KINDS if name.startswith(incomplete)]
