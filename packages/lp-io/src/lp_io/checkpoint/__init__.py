"""Saved models: ``model.safetensors`` with ``manifest.json`` beside it; and ensembles of them."""

from lp_io.checkpoint.building import get_model_class
from lp_io.checkpoint.ensemble import (
    COMBINATION,
    Ensemble,
    begin_ensemble,
    ensemble_of,
    finish_member,
    member_folders,
    member_names,
    read_ensemble,
    read_manifest,
    write_ensemble,
)
from lp_io.checkpoint.files import Manifest
from lp_io.checkpoint.loading import (
    LeftOut,
    LoadedModel,
    load_model,
    read_weights,
    take_weights,
)
from lp_io.checkpoint.saving import annotate_model, save_model

__all__ = [
    "COMBINATION",
    "Ensemble",
    "LeftOut",
    "LoadedModel",
    "Manifest",
    "annotate_model",
    "begin_ensemble",
    "ensemble_of",
    "finish_member",
    "get_model_class",
    "load_model",
    "member_folders",
    "member_names",
    "read_ensemble",
    "read_manifest",
    "read_weights",
    "save_model",
    "take_weights",
    "write_ensemble",
]
