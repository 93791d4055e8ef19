"""Learn from unlabelled clips as well."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import torch
from jaxtyping import Float
from torch import Tensor

from lp_core.batches import (
    LabeledBatch,
    LossInputs,
    SemiSupervisedBatch,
    UnlabeledBatch,
    runs_of_views,
)
from lp_core.errors import BatchError, TrackerError
from lp_core.losses.factory import LossFactory, Stage
from lp_core.trackers.supervised import BaseSupervisedTracker, Outputs
from lp_core.trackers.weighted_means import Weighted

if TYPE_CHECKING:
    _Base = BaseSupervisedTracker
else:
    _Base = object


class SemiSupervisedTrackerMixin(_Base):
    """Adds the losses on unlabelled clips to a tracker's training step.

    Put it before the supervised class: ``class Twin(SemiSupervisedTrackerMixin, MyTracker)``.
    Validation, test and prediction are those of the supervised class.

    Attributes:
        total_unsupervised_importance: From 0 to 1, multiplies every unsupervised loss;
            `lp_core.callbacks.AnnealWeight` raises it during training.

    Args:
        *arguments: What the supervised class takes.
        unsupervised_losses: What it learns from unlabelled clips; None for a tracker that only
            predicts.
        **keywords: What the supervised class takes.
    """

    def __init__(
        self, *arguments: Any, unsupervised_losses: LossFactory | None = None, **keywords: Any
    ) -> None:
        super().__init__(*arguments, **keywords)
        self.unsupervised_losses = unsupervised_losses
        self.total_unsupervised_importance = 1.0

    @abstractmethod
    def get_loss_inputs_unlabeled(self, batch: UnlabeledBatch) -> Outputs:
        """The outputs that its unsupervised losses read, one item per head, rows in time order."""

    def evaluate_unlabeled(
        self, batch: UnlabeledBatch, stage: Stage = "train"
    ) -> Float[Tensor, ""]:
        """The annealed unsupervised loss of a clip, logged with its parts.

        Raises:
            TrackerError: The tracker was built without unsupervised losses.
        """
        if self.unsupervised_losses is None:
            raise TrackerError(
                f"{type(self).__name__} was built without unsupervised losses",
                remedy="pass unsupervised_losses=LossFactory(...)",
            )
        importance = self.total_unsupervised_importance
        outputs = self._unlabeled_outputs(batch)
        report = self.unsupervised_losses(stage, outputs, importance)
        total: Tensor = report.total
        weight = total.new_ones(())
        values = {
            f"{stage}_unsupervised_loss": total,
            **report.logs,
            "total_unsupervised_importance": weight * importance,
        }
        self.log_means(stage, {name: Weighted(value, weight) for name, value in values.items()})
        return total

    def _unlabeled_outputs(self, batch: UnlabeledBatch) -> Outputs:
        """The outputs of each head for a clip, of several cameras for all of them.

        A tracker with context that looks at each view alone gets the clip of one camera at a time,
        since the frames before and after one are those of its own camera.
        """
        if self.context_frames > 1 and self.views == "each" and batch.get("views", 1) > 1:
            runs = runs_of_views(batch)
            return _joined(
                [self.with_places(self.get_loss_inputs_unlabeled(run), run) for run in runs]
            )
        return self.with_places(self.get_loss_inputs_unlabeled(batch), batch)

    def training_step(
        self, batch: LabeledBatch | SemiSupervisedBatch, batch_idx: int = 0
    ) -> Float[Tensor, ""]:
        """One step on a labelled batch and an unlabelled clip.

        Raises:
            BatchError: The batch does not hold both.
        """
        if "labeled" not in batch or "unlabeled" not in batch:
            raise BatchError("a semi-supervised step needs a batch with 'labeled' and 'unlabeled'")
        supervised = self.evaluate_labeled(batch["labeled"], "train")  # type: ignore[typeddict-item]
        total = supervised + self.evaluate_unlabeled(batch["unlabeled"])  # type: ignore[typeddict-item]
        self.log_means("train", {"total_loss": Weighted(total, total.new_ones(()))})
        return total


def _joined(runs: Sequence[Outputs]) -> Outputs:
    """The outputs of the clips of several cameras as those of one clip, for each head.

    ``image`` counts all images of the clip, of which those of one frame are neighbours.
    """
    heads = [[run] if isinstance(run, dict) else list(run) for run in runs]
    joined = [
        {key: torch.cat([output[key] for output in head]) for key in head[0]}  # type: ignore[literal-required]
        for head in map(_counted, zip(*heads, strict=True))
    ]
    outputs = cast("list[LossInputs]", joined)
    return outputs[0] if isinstance(runs[0], dict) else outputs


def _counted(head: Sequence[LossInputs]) -> list[LossInputs]:
    """The outputs of one head for each camera, with numbers of images in the whole clip."""
    return [
        {**output, "image": output["image"] * len(head) + view} for view, output in enumerate(head)
    ]
