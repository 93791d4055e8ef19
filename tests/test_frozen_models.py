"""Model directories that an earlier release wrote load, and predict what that release predicted.

Each archive in ``frozen`` holds what `litpose predict` needs of a model directory that was trained
before lp had pose tables, on its synthetic project (weights rounded to bfloat16, to pack well), and
in ``expected`` the tables that the code of that day predicted for ``session.mp4``.
"""

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

FROZEN = Path(__file__).parent / "frozen"
NAMES = sorted(path.stem for path in FROZEN.glob("*.zip"))


@pytest.fixture
def unpacked(tmp_path):
    def unpack(name):
        with zipfile.ZipFile(FROZEN / f"{name}.zip") as archive:
            archive.extractall(tmp_path / name)
        return tmp_path / name

    return unpack


@pytest.mark.parametrize("name", NAMES)
def test_an_older_model_directory_predicts_the_same(name, unpacked, litpose, tmp_path):
    model = unpacked(name)
    out = tmp_path / "out"
    done = litpose("predict", model, FROZEN / "session.mp4", "-o", out, "--device", "cpu")
    assert done.code == 0, done.err
    expected = sorted((model / "expected").glob("*.csv"))
    assert [file.name for file in expected] == sorted(file.name for file in out.glob("*.csv"))
    for file in expected:
        header = [0, 1, 2] if file.name == "session.csv" else 0
        before, now = (
            pd.read_csv(path, header=header, index_col=0) for path in (file, out / file.name)
        )
        pd.testing.assert_index_equal(now.columns, before.columns)
        pd.testing.assert_index_equal(now.index, before.index)
        # not to the byte, since processors differ in the last bits of a convolution
        np.testing.assert_allclose(now.to_numpy(), before.to_numpy(), rtol=1e-4, atol=2e-3)
