"""The base of every tracker: learn from labelled images."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from jaxtyping import Float
from torch import Tensor

from lp_core.batches import (
    LabeledBatch,
    LossInputs,
    Prediction,
    SemiSupervisedBatch,
    UnlabeledBatch,
    with_places,
)
from lp_core.errors import TrackerError
from lp_core.geometry.targets import heatmap_targets
from lp_core.losses.factory import LossFactory, Stage
from lp_core.optimization import OptimizationOptions
from lp_core.processes import number_of_processes
from lp_core.trackers.feature_extractor import BaseFeatureExtractor
from lp_core.trackers.options import TrackerOptions
from lp_core.trackers.weighted_means import Weighted, WeightedMeans, pixel_errors

Outputs = LossInputs | Sequence[LossInputs]


class BaseSupervisedTracker(BaseFeatureExtractor):
    """Training, validation and test steps; a subclass adds a head.

    A subclass declares what it needs, and nothing outside it ever asks for its name.

    Attributes:
        instances: ``"one"`` if it finds one animal in every image, ``"many"`` if any number.
        views: ``"each"`` if it looks at every image alone, ``"jointly"`` if at the images of all
            cameras of a frame together; then its options have ``view_names``, the cameras in the
            order of their numbers in a batch.
        learns: ``"keypoints"`` if it learns the labels as they are, ``"centroids"`` if one point of
            each animal, see `lp_core.poses.centroids`.
        condition: ``"pose"`` if it can be told which animal of an image is meant, by about where
            its keypoints are; ``"none"`` if not.
        target_kind: ``"heatmaps"`` if it learns from target heatmaps, ``"keypoints"`` if not.
        supervised_losses: The losses that may supervise it, the default first.
        auxiliary_losses: Losses that go with whichever of them is chosen.
        labeled_outputs: The keys of `LossInputs` that it gives for labelled batches.
        unlabeled_outputs: Those that its semi-supervised twin gives for unlabelled clips.

    Args:
        options: What the tracker is told, an instance of its ``Options``.
        losses: What it learns from labelled batches; None for a tracker that only predicts.
        optimization: How it learns; None takes the defaults.
    """

    instances: ClassVar[Literal["one", "many"]] = "one"
    views: ClassVar[Literal["each", "jointly"]] = "each"
    learns: ClassVar[Literal["keypoints", "centroids"]] = "keypoints"
    condition: ClassVar[Literal["none", "pose"]] = "none"
    target_kind: ClassVar[Literal["heatmaps", "keypoints"]] = "heatmaps"
    supervised_losses: ClassVar[tuple[str, ...]] = ()
    auxiliary_losses: ClassVar[tuple[str, ...]] = ()
    labeled_outputs: ClassVar[frozenset[str]] = frozenset()
    unlabeled_outputs: ClassVar[frozenset[str]] = frozenset()

    def __init__(
        self,
        options: TrackerOptions,
        *,
        losses: LossFactory | None = None,
        optimization: OptimizationOptions | None = None,
    ) -> None:
        super().__init__(options, optimization=optimization)
        self.losses = losses
        self._evaluated = WeightedMeans()

    @classmethod
    def semi_supervised_class(cls) -> type[BaseSupervisedTracker] | None:
        """The twin that also learns from unlabelled clips; None where there is none."""
        return None

    def for_views(self, names: Sequence[str]) -> BaseSupervisedTracker:
        """A tracker for some of its cameras, which shares the weights, to predict with.

        One that looks at every image alone is the same for all. One that looks at the views jointly
        overrides this: its batches then hold the images of those views alone, in that order, and
        what it predicts is what it would where the others were not present.

        Args:
            names: Of cameras.

        Raises:
            TrackerError: It looks at the views jointly, and cannot do without some of them.
        """
        if self.views == "jointly":
            raise TrackerError(f"{type(self).__name__} needs the images of all of its views")
        return self

    @property
    def heatmap_size(self) -> tuple[int, int]:
        """(h, w) of the target heatmaps in cells, for a tracker that learns from them.

        Raises:
            TrackerError: The tracker learns from heatmaps, but does not tell their size.
        """
        raise TrackerError(f"{type(self).__name__} must define heatmap_size")

    @property
    def uniform_targets(self) -> bool:
        """Whether a missing keypoint gets a uniform target heatmap rather than none."""
        return False

    @abstractmethod
    def get_loss_inputs_labeled(self, batch: LabeledBatch) -> Outputs:
        """The outputs that its losses compare, one item per head.

        Args:
            batch: A labelled batch, with ``heatmaps`` if ``target_kind`` asks for them.
        """

    @abstractmethod
    def predict_step(self, batch: LabeledBatch | UnlabeledBatch, batch_idx: int = 0) -> Prediction:
        """Keypoints in frame px, and confidences.

        Args:
            batch: A labelled batch, or a clip; of a clip, a tracker with context predicts the
                T - F + 1 frames that have all their context.
            batch_idx: Lightning's number of the batch.
        """

    def add_targets(self, batch: LabeledBatch) -> LabeledBatch:
        """The batch, with target heatmaps made on its device if the tracker learns from them."""
        if self.target_kind != "heatmaps" or "heatmaps" in batch:
            return batch
        heatmaps = heatmap_targets(
            batch["keypoints"],
            self.options.image_size,
            self.heatmap_size,
            visibility=batch["visibility"],
            uniform_missing=self.uniform_targets,
        )
        return {**batch, "heatmaps": heatmaps}

    def with_places(self, outputs: Outputs, batch: LabeledBatch | UnlabeledBatch) -> Outputs:
        """The outputs of each head, with the image, frame and view of every row."""
        margin = self.context_frames // 2
        if isinstance(outputs, dict):
            return with_places(outputs, batch, margin)
        return [with_places(head, batch, margin) for head in outputs]

    def evaluate_labeled(self, batch: LabeledBatch, stage: Stage) -> Float[Tensor, ""]:
        """The supervised loss of a batch, logged with its parts and the pixel error.

        Raises:
            TrackerError: The tracker was built without losses.
        """
        if self.losses is None:
            raise TrackerError(
                f"{type(self).__name__} was built without losses, so it can only predict",
                remedy="pass losses=LossFactory(...)",
            )
        outputs = self.with_places(self.get_loss_inputs_labeled(self.add_targets(batch)), batch)
        report = self.losses(stage, outputs)
        labeled = (batch["visibility"] > 0).sum().float()
        values = {f"{stage}_supervised_loss": report.total, **report.logs}
        means = {name: Weighted(value, labeled) for name, value in values.items()}
        self.log_means(stage, means | pixel_errors(outputs, stage, batch["visibility"]))
        total: Tensor = report.total
        return total

    def log_means(self, stage: Stage, means: Mapping[str, Weighted]) -> None:
        """Log what a step of a stage gives.

        In training, each step's values are logged; where several processes train together, those of
        the steps that reach the logs are means over all of them. In validation and test, the means
        over all batches of all processes are logged when the last batch is done.
        """
        if stage != "train":
            self._evaluated.add(means)
            return
        if number_of_processes() > 1 and self._is_read():
            step = WeightedMeans()
            step.add(means)
            values = step.means()
        else:
            values = {name: mean.logged for name, mean in means.items()}
        for name, value in values.items():
            self.log(name, value, batch_size=1)

    def _is_read(self) -> bool:
        """Whether the loggers are to see the values of this step; every process says the same."""
        every: int = self.trainer.log_every_n_steps  # type: ignore[attr-defined]
        return every > 0 and (self.global_step + 1) % every == 0

    def training_step(
        self, batch: LabeledBatch | SemiSupervisedBatch, batch_idx: int = 0
    ) -> Float[Tensor, ""]:
        """One step on a labelled batch."""
        return self.evaluate_labeled(batch, "train")  # type: ignore[arg-type]

    def validation_step(self, batch: LabeledBatch, batch_idx: int = 0) -> None:
        """Log the losses and errors of a validation batch."""
        self.evaluate_labeled(batch, "val")

    def test_step(self, batch: LabeledBatch, batch_idx: int = 0) -> None:
        """Log the losses and errors of a test batch."""
        self.evaluate_labeled(batch, "test")

    def on_validation_epoch_start(self) -> None:
        """Begin the means of a validation or test."""
        self._evaluated.clear()

    def on_validation_epoch_end(self) -> None:
        """Log the means of a validation or test; a subclass that overrides it calls this one."""
        for name, value in self._evaluated.means().items():
            # the same everywhere; Lightning warns where it is not told to make them the same
            self.log(name, value, batch_size=1, sync_dist=True)

    on_test_epoch_start = on_validation_epoch_start
    on_test_epoch_end = on_validation_epoch_end
