"""What the joint tracker can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from lp_core.errors import TrackerError
from lp_models.heatmap.base import HeatmapOptions

Share = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=0)]


@dataclass(frozen=True, kw_only=True)
class PatchMask:
    """How many patches of each training image are hidden, as training goes on.

    None until it begins; then ``init_ratio``, which rises evenly to ``final_ratio``. Either the
    epochs or the steps are given.

    Attributes:
        init_epoch, final_epoch: When it begins, and when it reaches ``final_ratio``.
        init_step, final_step: The same in steps of the optimiser.
        init_ratio, final_ratio: Shares of the patches.
    """

    init_epoch: Count | None = None
    final_epoch: Count | None = None
    init_step: Count | None = None
    final_step: Count | None = None
    init_ratio: Share = 0.0
    final_ratio: Share = 0.5

    def __post_init__(self) -> None:
        in_epochs = (self.init_epoch, self.final_epoch)
        in_steps = (self.init_step, self.final_step)
        given = [pair for pair in (in_epochs, in_steps) if pair != (None, None)]
        if len(given) != 1 or None in given[0]:
            raise TrackerError(
                "a patch mask needs the epochs, or the steps, in which it begins and is complete",
                where="training.patch_mask",
                remedy="give init_epoch and final_epoch, or init_step and final_step",
            )
        first, last = given[0]
        if first > last:  # type: ignore[operator]
            raise TrackerError(
                f"a patch mask cannot be complete before it begins: {last} is less than {first}",
                where="training.patch_mask",
            )

    def ratio(self, epoch: int, step: int) -> float:
        """The share of patches that is hidden in an epoch and step, both counted from 0."""
        if self.init_epoch is not None and self.final_epoch is not None:
            first, last, now = self.init_epoch, self.final_epoch, epoch
        else:
            assert self.init_step is not None
            assert self.final_step is not None
            first, last, now = self.init_step, self.final_step, step
        if now < first:
            return 0.0
        progress = 1.0 if now >= last else (now - first) / (last - first)
        return self.init_ratio + progress * (self.final_ratio - self.init_ratio)


@dataclass(frozen=True, kw_only=True)
class MultiviewOptions(HeatmapOptions):
    """Options of the joint tracker of several cameras.

    Attributes:
        view_names: The cameras, in the order of their numbers in a batch.
        backbone: Any. A plain vision transformer looks at all views itself, where no feature stride
            is chosen; of others the cells of the feature map attend to each other afterwards, see
            `lp_core.backbones.feature_tokens`.
        joint_blocks: Transformer blocks after a feature map, in which the views see each other.
        class_tokens: Give each view the class and register tokens that the backbone was trained
            with. Lightning Pose leaves them out.
        view_dropout: How probable it is, in training, that a view of a frame is set apart, so that
            the others do not see it.
        patch_mask: Which share of the patches is hidden in training; None for none.
        seed: Of the first view identities, of dropout and of the mask.
    """

    view_names: tuple[str, ...] = ()
    backbone: str = "vits_dino"
    joint_blocks: Annotated[int, Field(ge=1)] = 2
    class_tokens: bool = True
    view_dropout: Share = 0.1
    patch_mask: PatchMask | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        names = self.view_names
        if not names:
            raise TrackerError(
                "a tracker of several cameras needs their names", where="data.view_names"
            )
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise TrackerError(f"the view '{twice[0]}' is named twice", where="data.view_names")
