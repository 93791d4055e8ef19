"""The contract of what says where on a frame a tracker looks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor


class Box(NamedTuple):
    """A box of whole pixels in frame px; it may reach over the edge of the frame.

    Attributes:
        x: Column of its leftmost pixels.
        y: Row of its topmost pixels.
        width: Pixels across, at least 1.
        height: Pixels down, at least 1.
    """

    x: int
    y: int
    width: int
    height: int


class Region(NamedTuple):
    """A part of a frame on which the tracker looks for one animal.

    Attributes:
        box: Which part; None for the whole frame.
        individual: The animal in it, where it has a name.
        view: The part of the scene that it shows, such as that in a mirror. It owns the keypoints
            whose names end in ``_`` and this name: see `collect`.
        score: How sure it is that the animal is there, from 0 to 1.
    """

    box: Box | None = None
    individual: str | None = None
    view: str | None = None
    score: float = 1.0

    @property
    def words(self) -> str:
        """What messages call it."""
        names = [f"individual '{self.individual}'" if self.individual else ""]
        names.append(f"view '{self.view}'" if self.view else "")
        return " and ".join(name for name in names if name)


WHOLE_FRAME = Region()


@runtime_checkable
class RegionSource(Protocol):
    """Says for every frame on which regions the tracker looks.

    Each region becomes an image of its own, with its own ``to_frame``, in training, evaluation and
    prediction alike. All frames of one video have the same individuals and views.
    """

    def regions(self, frame: str | int) -> tuple[Region, ...]:
        """The regions of a frame; none where it shows no animal.

        Args:
            frame: The path of an image relative to the project folder, or the number of a frame of
                a video.

        Raises:
            LPError: It does not know the frame.
        """
        ...


class WholeFrame:
    """One region, the whole frame."""

    def regions(self, frame: str | int) -> tuple[Region, ...]:
        """The whole frame."""
        return (WHOLE_FRAME,)


def ownership(
    regions: Sequence[Region], keypoint_names: Sequence[str]
) -> Bool[Tensor, "regions keypoints"]:
    """Which keypoints each region owns, by its view."""
    return torch.tensor(
        [
            [
                region.view is not None and name.endswith(f"_{region.view}")
                for name in keypoint_names
            ]
            for region in regions
        ]
    )


def collect(
    keypoints: Float[Tensor, "regions rows keypoints dims"],
    confidences: Float[Tensor, "regions rows keypoints"],
    owned: Bool[Tensor, "regions keypoints"],
) -> tuple[Float[Tensor, "rows keypoints dims"], Float[Tensor, "rows keypoints"]]:
    """One row for each animal, from what the tracker found in its regions, in frame px.

    Whatever else is said of the keypoints, such as their covariances, is collected alike.

    A keypoint is taken from a region that owns it (see `ownership`); of several, or where none
    does, from the one that is most confident of it, the first of equals.
    """
    best = (confidences + 2 * owned.unsqueeze(1)).argmax(dim=0, keepdim=True)
    return (
        keypoints.take_along_dim(best.unsqueeze(-1), dim=0)[0],
        confidences.take_along_dim(best, dim=0)[0],
    )


def collect_rows(
    keypoints: Float[Tensor, "regions keypoints dims"],
    confidences: Float[Tensor, "regions keypoints"],
    owned: Bool[Tensor, "regions keypoints"],
    rows: Sequence[int],
    number: int,
) -> tuple[Float[Tensor, "rows keypoints dims"], Float[Tensor, "rows keypoints"]]:
    """One row for each row of a table, `collect`ed from its regions, in whatever order they come.

    Args:
        keypoints: Frame px.
        confidences: From 0 to 1.
        owned: See `ownership`.
        rows: The row that each region is of.
        number: Rows of the table; each has a region at least.
    """
    places: dict[int, list[int]] = {row: [] for row in range(number)}
    for place, row in enumerate(rows):
        places[row].append(place)
    if all(len(found) == 1 for found in places.values()):
        order = [found[0] for found in places.values()]
        return keypoints[order], confidences[order]
    merged = [
        collect(keypoints[found, None], confidences[found, None], owned[found])
        for found in places.values()
    ]
    return torch.cat([points for points, _ in merged]), torch.cat([values for _, values in merged])
