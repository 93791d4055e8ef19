"""Pre-trained weights: from a hub, or from a local file, which is opened as untrusted input."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lp_core.errors import BackboneError

_OFFLINE_REMEDY = (
    "pass a local file with model.backbone_checkpoint=FILE.safetensors, "
    "or train from random weights with model.backbone_pretrained=false"
)


def check_local_file(path: Path) -> None:
    """Refuse weights that are not there or not in safetensors format.

    Raises:
        BackboneError: The file is missing, is not ``.safetensors``, or its header cannot be read.
    """
    if not path.is_file():
        raise BackboneError(
            "the backbone's weights are not there",
            where=path,
            remedy="check model.backbone_checkpoint",
        )
    if path.suffix != ".safetensors":
        raise BackboneError(
            f"weights must be a .safetensors file, not '{path.suffix}': other formats can run code",
            where=path,
            remedy="convert it once with safetensors.torch.save_file",
        )
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt"):
            pass
    except (SafetensorError, OSError) as error:
        raise BackboneError(f"not a readable safetensors file: {error}", where=path) from error


def _unreachable(name: str, error: Exception) -> BackboneError:
    return BackboneError(
        f"the pre-trained weights of '{name}' could not be fetched from the hub "
        f"({type(error).__name__})",
        remedy=_OFFLINE_REMEDY,
    )


def check_hub(timm_name: str, name: str) -> None:
    """Refuse at once where the hub is out of reach and a timm model's weights are not cached.

    The hub's own client would try for the better part of a minute.

    Raises:
        BackboneError: The weights of ``timm_name`` are not cached and the hub does not answer.
    """
    import timm
    from huggingface_hub import constants, get_session, try_to_load_from_cache

    config = timm.get_pretrained_cfg(timm_name)
    repository = getattr(config, "hf_hub_id", None)
    if not repository:
        return
    if isinstance(try_to_load_from_cache(repository, "model.safetensors"), str):
        return
    try:
        get_session().head(constants.ENDPOINT, timeout=5)
    except Exception as error:  # whatever the client's transport raises means: out of reach
        raise _unreachable(name, error) from error


@contextmanager
def hub_errors(name: str) -> Iterator[None]:
    """Turn what a hub's client raises when it is out of reach into one clear message."""
    try:
        yield
    except BackboneError:
        raise
    except Exception as error:  # every client has its own errors; all mean the same to the user
        raise _unreachable(name, error) from error
