"""Say how two sets of keypoints differ: in their order, their axes, by a shift or by a scale."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

Points = Float[Tensor, "rows keypoints 2"]

_SAME = 0.05
_CLOSE = 0.1
_BETTER = 0.3
_SIGNIFICANCE = 6.0
_SCALE = 0.2  # a mean over a whole map pulls keypoints towards the centre by less
_FAR = 0.5


class Comparison:
    """Keypoints, and where they should be: between the keypoints of one head or several.

    Args:
        points: (N, K, 2) model px.
        heads: One or several (N, K, 2) model px.
        names: Of the K keypoints.

    Attributes:
        errors: (N, K) distances from where the points should be, in model px.
        agrees: Whether every point is where it should be.
        spread: How far a keypoint moves from row to row, in model px.
    """

    def __init__(self, points: Points, heads: Sequence[Points], names: Sequence[str]) -> None:
        every = torch.stack(list(heads)).float()
        self._points, self._names = points.float(), names
        self._lowest, self._highest = every.amin(dim=0), every.amax(dim=0)
        self._nearest = self._points.clamp(self._lowest, self._highest)
        self.errors = (self._points - self._nearest).norm(dim=-1)
        self.agrees = bool((self.errors <= _SAME).all())
        centre = (self._lowest + self._highest) / 2
        self.spread = float((centre - centre.mean(dim=0)).norm(dim=-1).mean())

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

    def distance(self) -> str | None:
        """How far the points of a tracker that has learned are off; None where they are near."""
        away = float(self.errors.median())
        return f"they are {away:.3g} model px apart" if away > _FAR * self.spread else None

    def _permuted(self, dim: int, tolerance: float) -> tuple[int, int] | None:
        """The first item that is another, and that other; None unless they are only permuted."""
        bounds = list(zip(self._lowest.unbind(dim), self._highest.unbind(dim), strict=True))
        distances = torch.tensor(
            [
                [float((point - point.clamp(*bound)).norm(dim=-1).mean()) for bound in bounds]
                for point in self._points.unbind(dim)
            ]
        )
        order = distances.argmin(dim=1).tolist()
        moved = [(index, other) for index, other in enumerate(order) if index != other]
        fits = float(distances.amin(dim=1).mean()) <= tolerance
        return moved[0] if moved and fits and len(set(order)) == len(order) else None

    def _other_keypoints(self, tolerance: float) -> str | None:
        if (found := self._permuted(1, tolerance)) is None:
            return None
        wrong, right = (self._names[index] for index in found)
        return f"'{wrong}' is where '{right}' should be"

    def _other_rows(self, tolerance: float) -> str | None:
        found = self._permuted(0, tolerance)
        return found and f"row {found[0]} has the keypoints of row {found[1]}"

    def _other_axes(self, tolerance: float) -> str | None:
        exchanged = self._points.flip(-1)
        errors = (exchanged - exchanged.clamp(self._lowest, self._highest)).norm(dim=-1)
        return "x and y are exchanged" if float(errors.mean()) <= tolerance else None

    def _shift(self, tolerance: float) -> str | None:
        difference = (self._points - self._nearest).flatten(0, 1)
        shift = difference.mean(dim=0)
        rest = difference - shift
        noise = rest.square().mean(dim=0).sqrt() / len(rest) ** 0.5
        sure = (shift.abs() > _SIGNIFICANCE * noise) & (shift.abs() > _SAME)
        if float(rest.norm(dim=-1).mean()) > tolerance or not sure.any():
            return None
        x, y = shift.tolist()
        return f"they are shifted by ({x:.2f}, {y:.2f}) model px"

    def _scale(self, tolerance: float) -> str | None:
        wanted, given = self._nearest.flatten(0, 1), self._points.flatten(0, 1)
        centred = wanted - wanted.mean(dim=0)
        spread = centred.square().sum(dim=0)
        scale = (centred * given).sum(dim=0) / spread.clamp_min(1e-9)
        rest = given - given.mean(dim=0) - scale * centred
        fits = float(rest.norm(dim=-1).mean()) <= min(tolerance, _CLOSE * float(self.errors.mean()))
        if not fits or bool(((scale - 1).abs() < _SCALE).all()):
            return None
        x, y = scale.tolist()
        return f"they are scaled by ({x:.2f}, {y:.2f})"
