"""A backbone that costs next to nothing, and the kit's verdict on a tracker."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from lp_core.geometry.cameras import Camera
from lp_core.testing import CHECKS, ConformanceError, Subject

_BACKBONE = """
from torch import nn
from lp_core.backbones.contract import Backbone

class Small(Backbone):
    def __init__(self):
        super().__init__(channels=32, stride=8)
        self.layers = nn.Sequential(
            nn.Conv2d(3, 16, 5, stride=4, padding=2), nn.GELU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.GELU(),
        )

    def forward(self, images):
        return self.layers(images)

def small(request):
    return Small()
"""


@pytest.fixture(scope="session")
def small_backbone(tmp_path_factory):
    """The name of a backbone that a distribution in a folder of its own registers."""
    folder = tmp_path_factory.mktemp("distribution")
    (folder / "small_backbone.py").write_text(_BACKBONE)
    info = folder / "small_backbone-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: small-backbone\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[lp.backbones]\nsmall = small_backbone:small\n")
    sys.path.insert(0, str(folder))
    yield "small"
    sys.path.remove(str(folder))
    sys.modules.pop("small_backbone", None)


@pytest.fixture
def verdict(small_backbone):
    """A function from a tracker to the messages of the checks that it fails, by their names.

    It makes all checks, or those up to the one named.
    """

    def messages(tracker, loss_classes, last=None):
        found = {}
        for check in CHECKS:
            if any(premise.name in found for premise in check.premises):
                continue  # it would be skipped; this is quicker
            try:
                check(Subject(tracker, {}, small_backbone, loss_classes))
            except ConformanceError as error:
                found[check.name] = str(error)
            if check.name == last:
                break
        return found

    return messages


@pytest.fixture(scope="session")
def camera_at():
    """A function to a camera at a position that looks at the origin, upright where z is up."""

    def camera(name, position, distortion=(), model="pinhole", size=(640, 480), focal=600.0):
        matrix = [[focal, 0, size[0] / 2 + 3], [0, 1.02 * focal, size[1] / 2 - 5], [0, 0, 1]]
        return Camera.looking_at(
            (0, 0, 0),
            position,
            name=name,
            size=size,
            matrix=np.array(matrix, float),
            distortion=np.array(distortion, float),
            model=model,
        )

    return camera


EXTENT = [
    pytest.param(False, id="up-to-its-check"),
    pytest.param(True, id="all-checks", marks=pytest.mark.slow),
]


def pytest_generate_tests(metafunc):
    """Make all checks of a mutant only where slow tests run."""
    if "every_check" in metafunc.fixturenames:
        metafunc.parametrize("every_check", EXTENT)
