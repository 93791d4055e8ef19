"""Tensors in safetensors files: hashed as they are written, checked as if a stranger sent them.

The format is eight bytes with the length of a JSON header, the header, and the tensors' bytes.
"""

from lp_io.tensor_file.reading import TensorFile, read_tensor_file
from lp_io.tensor_file.writing import (
    WrittenFile,
    tensor_bytes,
    tensor_file_parts,
    write_tensor_file,
)

__all__ = [
    "TensorFile",
    "WrittenFile",
    "read_tensor_file",
    "tensor_bytes",
    "tensor_file_parts",
    "write_tensor_file",
]
