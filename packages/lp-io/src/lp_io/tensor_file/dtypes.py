"""The element types that lp writes, and their names in safetensors."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import torch

DTYPES: Mapping[str, torch.dtype] = MappingProxyType(
    {
        "F64": torch.float64,
        "F32": torch.float32,
        "F16": torch.float16,
        "BF16": torch.bfloat16,
        "I64": torch.int64,
        "I32": torch.int32,
        "I16": torch.int16,
        "I8": torch.int8,
        "U8": torch.uint8,
        "BOOL": torch.bool,
    }
)
"""By safetensors' name."""


def dtype_name(dtype: torch.dtype) -> str | None:
    """Safetensors' name of ``dtype``, or None where lp does not write it."""
    return next((name for name, other in DTYPES.items() if other == dtype), None)
