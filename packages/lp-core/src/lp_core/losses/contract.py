"""What every loss is.

A loss names itself, the output keys that it reads, whether it supervises (learns from labels) and
its weight. Its options are the keyword arguments of its constructor, described by a frozen
dataclass, so that a config or a checkpoint's manifest can rebuild it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor, nn

from lp_core.batches import LossInputs


class LossValue(NamedTuple):
    """What a loss says of one batch.

    Attributes:
        value: The loss, a scalar; 0 with a gradient where there was nothing to compare.
        above_epsilon: The share of points whose error exceeds the loss's ε, from 0 to 1; None where
            the loss has no ε.
    """

    value: Float[Tensor, ""]
    above_epsilon: Float[Tensor, ""] | None = None


@dataclass(frozen=True, kw_only=True)
class LossOptions:
    """What every loss can be told.

    Attributes:
        log_weight: The loss is multiplied by 1 / (2 · exp(log_weight)).
    """

    log_weight: float = 0.0


@dataclass(frozen=True, kw_only=True)
class TrainingLabels:
    """The labels that a loss may learn from before training starts: those of the training split.

    Attributes:
        keypoints: (N, K, 2) frame px, without augmentation; NaN where unlabelled.
        keypoint_names: The K names.
        frame, view: (N,) the frame and the camera of each row, as in a batch; None where every row
            is a frame of its own.
        mirrored_column_matches: For each view in the frame, the columns of the same body points in
            the same order; empty where there is only one view. Of several cameras one tuple, the
            columns that are compared between their images; empty for all.
        frame_size: (height, width) of the frames, so that a loss can tell an ε that no error in
            them could exceed; None where it is not known.
        columns_for_singleview_pca: The columns that the pose model uses; empty for all.
    """

    keypoints: Float[Tensor, "labels keypoints 2"]
    keypoint_names: tuple[str, ...]
    frame: Int[Tensor, " labels"] | None = None
    view: Int[Tensor, " labels"] | None = None
    mirrored_column_matches: tuple[tuple[int, ...], ...] = ()
    frame_size: tuple[int, int] | None = None
    columns_for_singleview_pca: tuple[int, ...] = ()


class Loss(nn.Module):
    """Base class of losses.

    A subclass sets the class attributes and defines ``forward``.

    Attributes:
        name: The name under which it is configured and logged.
        requires: The keys of `LossInputs` that it reads.
        supervised: Whether it compares with labels; only losses that do not are annealed.
        weighs: Whether labels count by their ``weights``, where the inputs have these.
        Options: The dataclass of its options.

    Args:
        options: An instance of ``Options``; None takes the defaults.
    """

    name: ClassVar[str]
    requires: ClassVar[frozenset[str]]
    supervised: ClassVar[bool] = False
    weighs: ClassVar[bool] = False
    Options: ClassVar[type[LossOptions]] = LossOptions

    def __init__(self, options: LossOptions | None = None) -> None:
        super().__init__()
        self.options = options if options is not None else self.Options()

    @property
    def weight(self) -> float:
        """What the loss is multiplied by: 1 / (2 · exp(log_weight))."""
        return 1.0 / (2.0 * math.exp(self.options.log_weight))

    def forward(self, inputs: LossInputs) -> LossValue:
        """The unweighted loss of one batch of outputs."""
        raise NotImplementedError(f"{type(self).__name__} does not define forward")


@runtime_checkable
class LearnsFromLabels(Protocol):
    """A loss that learns from the training labels once, before training, into its buffers."""

    def fit_labels(self, labels: TrainingLabels) -> None:
        """Learn from the labels.

        Raises:
            LossError: The labels are too few or do not fit the options.
        """
        ...
