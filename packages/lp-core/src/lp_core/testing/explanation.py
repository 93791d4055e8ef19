"""Say how two sets of keypoints differ: in their order, their axes, by a shift or by a scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

Points = Float[Tensor, "rows keypoints 2"]

_SAME = 0.05
_CLOSE = 0.1
_BETTER = 0.3
_SIGNIFICANCE = 6.0
_SCALE = 0.2  # a mean over a whole map pulls keypoints towards the centre by less


@dataclass(frozen=True)
class Comparison:
    """Keypoints, and where they should be: between the keypoints of one head or several.

    Attributes:
        points: (N, K, 2) model px.
        lowest: (N, K, 2), the smallest coordinates of the heads.
        highest: (N, K, 2), the largest.
        names: Of the K keypoints.
    """

    points: Points
    lowest: Points
    highest: Points
    names: Sequence[str]

    @classmethod
    def with_heads(
        cls, points: Points, heads: Sequence[Points], names: Sequence[str]
    ) -> Comparison:
        """Compare with what one head or several give."""
        every = torch.stack(list(heads)).float()
        return cls(points.float(), every.amin(dim=0), every.amax(dim=0), names)

    @property
    def nearest(self) -> Points:
        """Where the points should be: the nearest place between the heads."""
        return self.points.clamp(self.lowest, self.highest)

    @property
    def errors(self) -> Float[Tensor, "rows keypoints"]:
        """Distances in model px."""
        return (self.points - self.nearest).norm(dim=-1)

    @property
    def agrees(self) -> bool:
        """Whether every point is where it should be."""
        return bool((self.errors <= _SAME).all())

    @property
    def spread(self) -> float:
        """How far a keypoint moves from row to row, in model px."""
        centre = (self.lowest + self.highest) / 2
        return float((centre - centre.mean(dim=0)).norm(dim=-1).mean())

    def explanation(self, *, learned: bool = False) -> str | None:
        """How the points differ from what they should be; None where it follows no simple rule.

        Args:
            learned: Whether both come from a tracker that has learned where they are, so that they
                may differ by more than rounding: a mean over a map and its best cell, say.
        """
        if self.agrees:
            return None
        tolerance = _CLOSE * self.spread + 1e-3
        error = float(self.errors.mean())
        loose = max(tolerance, _BETTER * error) if learned else tolerance
        if error > tolerance:
            for rule in (self._other_keypoints, self._other_rows, self._other_axes):
                if (found := rule(loose)) is not None:
                    return found
        return self._shift(tolerance) or self._scale(tolerance)

    def _pairwise(self, dim: int) -> Float[Tensor, "given wanted"]:
        """Mean distance of each row (dim 0) or keypoint (dim 1) from where each should be."""
        items = self.points.shape[dim]
        means = [
            [
                (point - point.clamp(low, high)).norm(dim=-1).mean()
                for low, high in zip(self.lowest.unbind(dim), self.highest.unbind(dim), strict=True)
            ]
            for point in self.points.unbind(dim)
        ]
        return torch.tensor(means).reshape(items, items)

    def _permuted(self, dim: int, tolerance: float) -> tuple[int, int] | None:
        """The first item that is another, and that other; None unless they are only permuted."""
        distances = self._pairwise(dim)
        order = [int(index) for index in distances.argmin(dim=1)]
        moved = [(index, other) for index, other in enumerate(order) if index != other]
        fits = float(distances.amin(dim=1).mean()) <= tolerance
        return moved[0] if moved and fits and len(set(order)) == len(order) else None

    def _other_keypoints(self, tolerance: float) -> str | None:
        if (found := self._permuted(1, tolerance)) is None:
            return None
        wrong, right = (self.names[index] for index in found)
        return f"'{wrong}' is where '{right}' should be"

    def _other_rows(self, tolerance: float) -> str | None:
        found = self._permuted(0, tolerance)
        return found and f"row {found[0]} has the keypoints of row {found[1]}"

    def _other_axes(self, tolerance: float) -> str | None:
        exchanged = self.points.flip(-1)
        errors = (exchanged - exchanged.clamp(self.lowest, self.highest)).norm(dim=-1)
        return "x and y are exchanged" if float(errors.mean()) <= tolerance else None

    def _shift(self, tolerance: float) -> str | None:
        difference = (self.points - self.nearest).flatten(0, 1)
        shift = difference.mean(dim=0)
        rest = difference - shift
        noise = rest.square().mean(dim=0).sqrt() / len(rest) ** 0.5
        sure = (shift.abs() > _SIGNIFICANCE * noise) & (shift.abs() > _SAME)
        if float(rest.norm(dim=-1).mean()) > tolerance or not sure.any():
            return None
        x, y = shift.tolist()
        return f"they are shifted by ({x:.2f}, {y:.2f}) model px"

    def _scale(self, tolerance: float) -> str | None:
        wanted, given = self.nearest.flatten(0, 1), self.points.flatten(0, 1)
        centred = wanted - wanted.mean(dim=0)
        spread = centred.square().sum(dim=0)
        scale = (centred * given).sum(dim=0) / spread.clamp_min(1e-9)
        rest = given - given.mean(dim=0) - scale * centred
        fits = float(rest.norm(dim=-1).mean()) <= min(tolerance, _CLOSE * float(self.errors.mean()))
        if not fits or bool(((scale - 1).abs() < _SCALE).all()):
            return None
        x, y = scale.tolist()
        return f"they are scaled by ({x:.2f}, {y:.2f})"
