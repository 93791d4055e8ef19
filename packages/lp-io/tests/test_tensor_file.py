"""Tensor files of every header length are read back."""

from __future__ import annotations

import pytest
import torch

from lp_io.tensor_file import read_tensor_file, write_tensor_file


@pytest.mark.parametrize("padding", range(0, 1500, 8))
def test_no_length_of_the_header_is_taken_for_a_pickle(tmp_path, padding):
    # lengths such as 0x0480 begin with the bytes 80 04, as pickles do
    path = tmp_path / "tensors.safetensors"
    write_tensor_file(path, {"a": torch.arange(3.0)}, {"note": "x" * padding})
    assert torch.equal(read_tensor_file(path).tensors["a"], torch.arange(3.0))
