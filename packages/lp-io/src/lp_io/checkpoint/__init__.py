"""Saved models: ``model.safetensors`` with ``manifest.json`` beside it."""

from lp_io.checkpoint.building import get_model_class
from lp_io.checkpoint.files import Manifest, read_manifest
from lp_io.checkpoint.loading import (
    LeftOut,
    LoadedModel,
    load_model,
    read_weights,
    take_weights,
)
from lp_io.checkpoint.saving import annotate_model, save_model

__all__ = [
    "LeftOut",
    "LoadedModel",
    "Manifest",
    "annotate_model",
    "get_model_class",
    "load_model",
    "read_manifest",
    "read_weights",
    "save_model",
    "take_weights",
]
