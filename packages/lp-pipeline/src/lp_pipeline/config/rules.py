"""Ranges and words that single keys take; the checks and the JSON schema both read them."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

_LARGEST_SEED = 2**32 - 1


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``.

    Attributes:
        low: The least value.
        high: The greatest; None for no bound.
        open_low: Whether ``low`` itself is left out.
    """

    low: int | float = 0
    high: int | float | None = None
    open_low: bool = False

    def holds(self, value: int | float) -> bool:
        """Whether the value lies in the range."""
        above = value > self.low if self.open_low else value >= self.low
        return above and (self.high is None or value <= self.high)

    def __str__(self) -> str:
        start = "above" if self.open_low else "at least" if self.high is None else "from"
        end = "" if self.high is None else f"{' and at most' if self.open_low else ' to'}"
        return f"{start} {self.low:g}{end}" + ("" if self.high is None else f" {self.high:g}")


_POSITIVE, _COUNT, _NATURAL = Range(0, open_low=True), Range(1), Range(0)
_SHARE, _SEED = Range(0, 1), Range(0, _LARGEST_SEED)

RANGES: MappingProxyType[str, Range] = MappingProxyType(
    {
        "data.image_resize_dims.height": _COUNT,
        "data.image_resize_dims.width": _COUNT,
        "data.num_keypoints": _COUNT,
        "data.downsample_factor": Range(1, 3),
        "training.train_batch_size": _COUNT,
        "training.val_batch_size": _COUNT,
        "training.test_batch_size": _COUNT,
        "training.train_prob": Range(0, 1, open_low=True),
        "training.val_prob": _SHARE,
        "training.train_frames": _POSITIVE,
        "training.num_gpus": _NATURAL,
        "training.num_workers": _NATURAL,
        "training.unfreezing_epoch": _NATURAL,
        "training.unfreezing_step": _NATURAL,
        "training.min_epochs": _NATURAL,
        "training.max_epochs": _COUNT,
        "training.min_steps": _NATURAL,
        "training.max_steps": _COUNT,
        "training.log_every_n_steps": _COUNT,
        "training.check_val_every_n_epoch": _COUNT,
        "training.val_check_interval": _POSITIVE,
        "training.ckpt_every_n_epochs": _COUNT,
        "training.save_state_every_n_seconds": _NATURAL,
        "training.early_stop_patience": _COUNT,
        "training.rng_seed_data_pt": _SEED,
        "training.rng_seed_model_pt": _SEED,
        "training.optimizer_params.learning_rate": _POSITIVE,
        "training.optimizer_params.weight_decay": _NATURAL,
        "training.lr_scheduler_params.multisteplr.gamma": _POSITIVE,
        "training.lr_scheduler_params.cosine.warmup_epochs": _NATURAL,
        "training.accumulate_grad_batches": _COUNT,
        "training.limit_train_batches": _POSITIVE,
        "training.steps_per_epoch": _COUNT,
        "training.gradient_clip_val": _POSITIVE,
        "training.num_nodes": _COUNT,
        "dali.base.train.sequence_length": _COUNT,
        "dali.base.predict.sequence_length": _COUNT,
        "dali.context.train.batch_size": _COUNT,
        "dali.context.predict.sequence_length": _COUNT,
        "dali.general.seed": _SEED,
        "eval.confidence_thresh_for_vid": _SHARE,
        "callbacks.anneal_weight.init_val": _SHARE,
        "callbacks.anneal_weight.increase_factor": _NATURAL,
        "callbacks.anneal_weight.final_val": _SHARE,
        "callbacks.anneal_weight.freeze_until_epoch": _NATURAL,
    }
)
"""The range of each number."""

CHOICES: MappingProxyType[str, tuple[str, ...]] = MappingProxyType(
    {
        "training.optimizer": ("Adam", "AdamW"),
        "training.lr_scheduler": ("multisteplr", "cosine", "constant"),
        "training.profiler": ("simple", "advanced", "pytorch"),
        "training.precision": ("32-true", "bf16-mixed", "16-mixed"),
        "training.accelerator": ("auto", "cpu", "gpu", "mps"),
        "model.heatmap_loss_type": ("mse", "kl", "js"),
        "callbacks.anneal_weight.attr_name": ("total_unsupervised_importance",),
    }
)
"""The words that a key takes."""

SHARES_OR_COUNTS = (
    "training.train_frames",
    "training.val_check_interval",
    "training.limit_train_batches",
)
"""Numbers that are a share up to 1, and a count above."""

LISTS_OF_COUNTS = (
    "training.lr_scheduler_params.multisteplr.milestones",
    "training.lr_scheduler_params.multisteplr.milestone_steps",
)
"""Lists of whole numbers that rise."""
