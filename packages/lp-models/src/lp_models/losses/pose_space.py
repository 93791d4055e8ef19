"""The space of true poses, as a module whose knowledge travels in a checkpoint."""

from __future__ import annotations

from typing import Any, Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from lp_core.errors import LossError
from lp_models.losses.pca import (
    Components,
    held_out_errors,
    likely_moments,
    point_norms,
    principal_components,
)

Centering = Literal["mean", "median"] | None

MIN_ROWS = 10
"""Observations below which nothing can be said about the errors of true poses."""


class PoseSpace(nn.Module):
    """How far poses are from the principal components of labelled ones, in frame px.

    An observation is a set of V keypoints as one vector (x₁, y₁, x₂, y₂, …). A *layout* (V, M) of
    keypoint numbers says which keypoints make up the M observations of one frame: the pose model
    has one observation with all its keypoints, (K, 1); the multi-view model has one observation per
    body part with its V views, (V, M).

    All that it learns are buffers, whose shapes depend on the data; loading a state dict into a
    fresh instance takes its shapes too.

    Args:
        centering: What is subtracted from every observation: the mean or the median of its
            keypoints, or nothing.
    """

    layout: Tensor
    mean: Tensor
    axes: Tensor
    epsilon: Tensor

    _LEARNED = ("layout", "mean", "axes", "epsilon")

    def __init__(self, centering: Centering = None) -> None:
        super().__init__()
        self.centering = centering
        self.register_buffer("layout", torch.zeros(0, 0, dtype=torch.long))
        self.register_buffer("mean", torch.zeros(0))
        self.register_buffer("axes", torch.zeros(0, 0))
        self.register_buffer("epsilon", torch.zeros(()))

    @property
    def keypoints(self) -> Int[Tensor, " points"]:
        """The keypoints that take part, by number, in the order of `errors`."""
        return self.layout.T.flatten()

    def fit(
        self,
        keypoints: Float[Tensor, "labels keypoints 2"],
        layout: Int[Tensor, "views parts"],
        *,
        keep: int | float,
        percentile: float,
        multiplier: float,
    ) -> None:
        """Learn the components, and the ε that true poses seldom exceed.

        Args:
            keypoints: (N, K, 2) labels in frame px, NaN where missing.
            layout: (V, M) keypoint numbers.
            keep: Components to keep, as a count or as the share of the variance to explain.
            percentile: From 0 to 100, of the errors of held-out labels; that is ε.
            multiplier: What ε is multiplied by.

        Raises:
            LossError: There are too few labels for that, or two keypoints of one observation are
                never labelled together.
        """
        # in double precision, on the CPU: eigenvectors should not depend on the device
        rows = self._observations(keypoints.double().cpu(), layout.cpu())
        frames = torch.arange(len(rows)) // layout.shape[1]
        useful = rows.isfinite().sum(dim=1) >= 4
        rows, frames = rows[useful], frames[useful]
        _check_rows(rows, keep)
        filled, known = likely_moments(rows)
        subspace = principal_components(known, keep)
        if len(rows) < len(subspace.axes) + 2:
            raise LossError(
                f"too few labels for PCA: {len(rows)} poses cannot determine {len(subspace.axes)} "
                "components",
                remedy="label more frames, or keep fewer components",
            )
        groups = torch.unique(frames, return_inverse=True)[1]
        errors = held_out_errors(filled, groups, len(subspace.axes))
        labeled = rows.unflatten(1, (-1, 2)).isfinite().all(dim=2)
        epsilon = errors[labeled].quantile(percentile / 100) * multiplier
        learned = (layout, subspace.mean, subspace.axes, epsilon)
        for name, value in zip(self._LEARNED, learned, strict=True):
            kind = torch.long if name == "layout" else torch.float32
            setattr(self, name, value.to(device=self.mean.device, dtype=kind))

    def _observations(
        self, keypoints: Float[Tensor, "rows keypoints 2"], layout: Int[Tensor, "views parts"]
    ) -> Float[Tensor, "observations dimensions"]:
        """Centred observations (N · M, 2V)."""
        points = keypoints[:, layout].transpose(1, 2).flatten(0, 1)
        return (points - self._centre(points)).flatten(1)

    def _centre(
        self, points: Float[Tensor, "observations views 2"]
    ) -> Float[Tensor, "observations 1 2"]:
        """What is subtracted from each observation."""
        if self.centering == "mean":
            return points.nanmean(dim=1, keepdim=True)
        if self.centering == "median":
            return points.nanquantile(0.5, dim=1, keepdim=True)
        return torch.zeros_like(points[:, :1])

    def errors(self, keypoints: Float[Tensor, "rows keypoints 2"]) -> Float[Tensor, "rows points"]:
        """Reprojection errors of the keypoints that take part, in frame px, differentiable.

        Args:
            keypoints: (N, K, 2) frame px.

        Returns:
            (N, P) for the P keypoints of `keypoints`; NaN for each observation in which a
            coordinate is not finite.

        Raises:
            LossError: It has neither learned from labels nor been loaded.
        """
        if not self.layout.numel():
            raise LossError(
                "a PCA loss has not learned from labels",
                remedy="call fit_labels before training, or load a checkpoint",
            )
        rows = self._observations(keypoints.float(), self.layout)
        norms = point_norms(Components(self.mean.float(), self.axes.float()).residual(rows))
        return norms.unflatten(0, (len(keypoints), self.layout.shape[1])).flatten(1)

    def reprojection_error(
        self, keypoints: Float[Tensor, "rows keypoints 2"]
    ) -> Float[Tensor, "rows keypoints"]:
        """The same errors of all K keypoints, (N, K); NaN for those that take no part."""
        table = torch.full(keypoints.shape[:2], torch.nan).to(keypoints.device)
        table[:, self.keypoints] = self.errors(keypoints)
        return table

    def usable(self, keypoints: Float[Tensor, "rows keypoints 2"]) -> Bool[Tensor, "rows points"]:
        """Keypoints, in the order of `errors`, whose whole observation is finite."""
        finite = keypoints.isfinite().all(dim=-1)[:, self.layout].all(dim=1)
        return finite.repeat_interleave(self.layout.shape[0], dim=1)

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *arguments: Any
    ) -> None:
        """Take the shapes of what is loaded, since a fresh instance cannot know them."""
        for name in self._LEARNED:
            value = state_dict.get(prefix + name)
            if isinstance(value, Tensor):
                setattr(self, name, torch.empty_like(value, device=getattr(self, name).device))
        super()._load_from_state_dict(state_dict, prefix, *arguments)


def _check_rows(rows: Float[Tensor, "rows dimensions"], keep: int | float) -> None:
    """Refuse labels from which no components can be computed."""
    if len(rows) < MIN_ROWS:
        raise LossError(
            f"too few labels for PCA: {len(rows)} poses with two keypoints or more, "
            f"at least {MIN_ROWS} needed",
            remedy="label more frames, or do without this loss",
        )
    if isinstance(keep, int) and keep > rows.shape[1]:
        raise LossError(
            f"{keep} components cannot be kept of {rows.shape[1]} dimensions",
            remedy=f"set components_to_keep to at most {rows.shape[1]}, or to a share such as 0.99",
        )
    known = rows.isfinite().double()
    together = known.T @ known
    if together.min() < 2:
        first, second = divmod(int(together.argmin()), len(together))
        raise LossError(
            "too few labels for PCA: in fewer than two poses is keypoint number "
            f"{first // 2} labelled together with number {second // 2} of those in use",
            remedy="label more frames, or leave the keypoint out",
        )
