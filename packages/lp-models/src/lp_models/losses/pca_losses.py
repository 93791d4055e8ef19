"""Unsupervised losses on how far a predicted pose is from the space of labelled ones."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lp_core.batches import LossInputs
from lp_core.errors import LossError
from lp_core.losses.contract import Loss, LossOptions, LossValue, TrainingLabels
from lp_core.losses.rows import gather_views
from lp_models.losses.excess import (
    check_pixels,
    check_reach,
    check_threshold,
    excess,
    frame_diagonal,
)
from lp_models.losses.pose_space import Centering, PoseSpace


@dataclass(frozen=True, kw_only=True)
class PCAOptions(LossOptions):
    """Options of the PCA losses.

    Attributes:
        log_weight: As for every loss; 5 suits distances in px beside a loss of heatmaps.
        components_to_keep: A count (an integer), or the share of the variance to explain (a number
            with a decimal point, above 0 and at most 1).
        epsilon: Errors up to it cost nothing, in frame px; None learns it from the labels.
        empirical_epsilon_percentile: The percentile, from 0 to 100, of the errors of true poses
            that ε is then.
        empirical_epsilon_multiplier: What that is multiplied by.
        centering_method: What is subtracted from each pose first: the mean or the median of its
            keypoints, or nothing.
        prob_threshold: A keypoint with a lower confidence, from 0 to 1, counts but is not moved: a
            heatmap that has no peak yet would be kept from growing one. 0 moves all.
    """

    log_weight: float = 5.0
    components_to_keep: int | float = 0.99
    epsilon: float | None = None
    empirical_epsilon_percentile: float = 99.0
    empirical_epsilon_multiplier: float = 1.0
    centering_method: Centering = None
    prob_threshold: float = 0.05

    def __post_init__(self) -> None:
        keep = self.components_to_keep
        if not (keep >= 1 if isinstance(keep, int) else 0 < keep <= 1):
            raise LossError(
                f"{keep} is neither a number of components nor a share of the variance",
                where="components_to_keep",
                remedy="write a whole number of at least 1, or a share such as 0.99",
            )
        check_threshold(self.prob_threshold)
        percentile, fraction = self.empirical_epsilon_percentile, None
        if 0 < percentile <= 1:
            fraction = f"it looks like a fraction: write {100 * percentile:g}"
        if fraction or not 0 <= percentile <= 100:
            raise LossError(
                f"a percentile goes from 0 to 100, got {percentile}",
                where="empirical_epsilon_percentile",
                remedy=fraction,
            )
        if self.empirical_epsilon_multiplier <= 0 or (self.epsilon or 0) < 0:
            raise LossError("ε and its multiplier cannot be negative", where="epsilon")
        check_pixels(() if self.epsilon is None else (self.epsilon,))


@dataclass(frozen=True, kw_only=True)
class PCAMultiviewOptions(PCAOptions):
    """Options of the multi-view PCA loss, which keeps the three dimensions of space."""

    components_to_keep: int | float = 3


class PCALoss(Loss):
    """The distance of predicted keypoints from their pose's projection, in frame px, beyond ε.

    It learns from the labels in frame px, and measures predictions in frame px.
    """

    requires = frozenset({"keypoints_pred"})
    Options = PCAOptions
    options: PCAOptions

    def __init__(self, options: PCAOptions | None = None) -> None:
        super().__init__(options)
        self.space = PoseSpace(self.options.centering_method)

    @abstractmethod
    def layout(self, labels: TrainingLabels) -> Int[Tensor, "views parts"]:
        """The keypoints of each observation, as in `PoseSpace`.

        Raises:
            LossError: The labels do not say which, or say what cannot be.
        """

    def fit_labels(self, labels: TrainingLabels) -> None:
        """Learn the space of true poses, and ε unless it is given.

        Raises:
            LossError: There are too few labels, they do not say which keypoints to use, or no error
                in their frames could exceed the ε that was given.
        """
        options = self.options
        if options.epsilon is not None:
            check_reach((options.epsilon,), frame_diagonal(labels), "frame px", self.name)
        try:
            self.space.fit(
                self.poses(labels),
                self.layout(labels),
                keep=options.components_to_keep,
                percentile=options.empirical_epsilon_percentile,
                multiplier=options.empirical_epsilon_multiplier,
            )
        except LossError as error:
            place = error.where or f"losses.{self.name}"
            raise LossError(error.problem, where=place, remedy=error.remedy) from error
        if options.epsilon is not None:
            self.space.epsilon.fill_(options.epsilon)

    def forward(self, inputs: LossInputs) -> LossValue:
        """The unweighted loss, and the share of keypoints above ε.

        Raises:
            LossError: It has neither learned from labels nor been loaded.
        """
        keypoints, number = self.observed(inputs, self._movable(inputs))
        filled = torch.where(keypoints.isfinite(), keypoints, 0.0)
        errors = self.space.errors(filled)
        return excess(errors, self.space.usable(keypoints), self.space.epsilon, number)

    def poses(self, labels: TrainingLabels) -> Float[Tensor, "labels keypoints 2"]:
        """The keypoints that `layout` counts, of each labelled frame."""
        return labels.keypoints

    def observed(
        self, inputs: LossInputs, keypoints: Float[Tensor, "rows keypoints 2"]
    ) -> tuple[Float[Tensor, "rows points 2"], Int[Tensor, ""] | None]:
        """The same of predicted rows, and how many there are; None for all."""
        return keypoints, None

    def _movable(self, inputs: LossInputs) -> Float[Tensor, "rows keypoints 2"]:
        """Predicted keypoints, without the gradient of those that the tracker does not believe."""
        keypoints = inputs["keypoints_pred"]
        if "confidences" not in inputs:  # a tracker that gives none believes all
            return keypoints
        doubted = inputs["confidences"].detach() < self.options.prob_threshold
        return torch.where(doubted.unsqueeze(-1), keypoints.detach(), keypoints)

    def reprojection_error(
        self, keypoints: Float[Tensor, "rows keypoints 2"]
    ) -> Float[Tensor, "rows keypoints"]:
        """Errors (N, K) of keypoints (N, K, 2), both in frame px; NaN where a keypoint is not used.

        Raises:
            LossError: It has neither learned from labels nor been loaded.
        """
        return self.space.reprojection_error(keypoints)


class PCASingleviewLoss(PCALoss):
    """The pose as a whole: all keypoints, or those of ``columns_for_singleview_pca``."""

    name = "pca_singleview"

    def layout(self, labels: TrainingLabels) -> Int[Tensor, "views parts"]:
        """One observation per frame.

        Raises:
            LossError: A column does not exist or comes twice, or there are fewer than two.
        """
        place = "data.columns_for_singleview_pca"
        columns = labels.columns_for_singleview_pca or range(len(labels.keypoint_names))
        _check_columns(columns, labels, place)
        if len(columns) < 2:
            raise LossError("the pose model needs at least two keypoints", where=place)
        return torch.tensor(list(columns)).unsqueeze(1)


class PCAMultiviewLoss(PCALoss):
    """The views of one body part, which three coordinates in space explain.

    The views are those of ``mirrored_column_matches``, seen in one image; or, where the labels are
    of several cameras, the images of one frame, whose rows are found by ``frame`` and ``view``. Of
    several cameras ``mirrored_column_matches`` is one tuple, the columns that take part, or empty
    for all.
    """

    name = "pca_multiview"
    Options = PCAMultiviewOptions
    _several_cameras: bool | None = None  # None until it is known without asking the device

    def layout(self, labels: TrainingLabels) -> Int[Tensor, "views parts"]:
        """One observation per body part and frame.

        Raises:
            LossError: There are fewer than two views, they differ in length, or a column does not
                exist or comes twice.
        """
        cameras, keypoints = number_of_views(labels), len(labels.keypoint_names)
        place = "data.mirrored_column_matches"
        views = labels.mirrored_column_matches
        if cameras > 1:
            if len(views) > 1:
                raise LossError(
                    "the views are images of their own, in which keypoints have the same numbers",
                    where=place,
                    remedy="give one list of keypoints, or null for all of them",
                )
            columns = views[0] if views else range(keypoints)
            _check_columns(columns, labels, place)
            first = keypoints * torch.arange(cameras)
            return first.unsqueeze(1) + torch.tensor(list(columns))
        if len(views) < 2:
            raise LossError(
                "the loss 'pca_multiview' needs the columns of at least two views",
                where=place,
                remedy="give one list of columns per view, body parts in the same order",
            )
        lengths = sorted({len(view) for view in views})
        if len(lengths) > 1 or lengths == [0]:
            raise LossError(
                f"every view must list as many columns as the others, got {lengths}", where=place
            )
        _check_columns([column for view in views for column in view], labels, place)
        return torch.tensor([list(view) for view in views])

    def fit_labels(self, labels: TrainingLabels) -> None:
        """As in `PCALoss`.

        Raises:
            LossError: As in `PCALoss`; or several cameras see several animals.
        """
        self._several_cameras = number_of_views(labels) > 1
        if self._several_cameras and labels.frame is not None and labels.view is not None:
            images = torch.stack([labels.frame, labels.view], dim=1)
            if len(images.unique(dim=0)) < len(images):
                raise LossError(
                    "the loss 'pca_multiview' compares the views of one animal, but images have "
                    "several",
                    where="model.losses_to_use",
                    remedy="leave it out",
                )
        super().fit_labels(labels)

    def poses(self, labels: TrainingLabels) -> Float[Tensor, "labels points 2"]:
        """The keypoints of each frame, those of several cameras one after the other."""
        cameras = number_of_views(labels)
        if cameras < 2 or labels.frame is None or labels.view is None:
            return labels.keypoints
        rows: LossInputs = {"frame": labels.frame, "view": labels.view}
        return gather_views(rows, labels.keypoints, cameras).points.flatten(1, 2)

    def observed(
        self, inputs: LossInputs, keypoints: Float[Tensor, "rows keypoints 2"]
    ) -> tuple[Float[Tensor, "rows points 2"], Int[Tensor, ""] | None]:
        """The same of predicted rows, and how many frames they are; None for all."""
        layout = self.space.layout
        if self._several_cameras is None:  # loaded, and not fitted
            self._several_cameras = bool(layout.max() >= keypoints.shape[1])
        if not self._several_cameras:
            return keypoints, None
        if "view" not in inputs:
            raise LossError(
                "the loss 'pca_multiview' compares the views of a frame, but the clips are of "
                "animals that are found in each view by itself",
                where="model.losses_to_use",
                remedy="leave it out, or set animals.top_down=false",
            )
        gathered = gather_views(inputs, keypoints, len(layout))
        return gathered.points.flatten(1, 2), gathered.number


def number_of_views(labels: TrainingLabels) -> int:
    """How many cameras the labels are of, at least 1."""
    return 1 if labels.view is None or len(labels.view) == 0 else int(labels.view.max()) + 1


def _check_columns(columns: Sequence[int], labels: TrainingLabels, place: str) -> None:
    """Refuse columns that do not exist or come twice."""
    known = len(labels.keypoint_names)
    for column in columns:
        if not 0 <= column < known:
            raise LossError(
                f"there is no column {column}: the {known} keypoints count from 0", where=place
            )
    if len(set(columns)) < len(columns):
        raise LossError("a column comes twice", where=place)
