"""Data modules: the loaders that Lightning trains, validates and tests with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pytorch_lightning import LightningDataModule
from pytorch_lightning.accelerators import CUDAAccelerator
from pytorch_lightning.utilities import CombinedLoader

from lp_data.datasets.clips import ClipDataset
from lp_data.datasets.labeled import LabeledDataset, collate
from lp_data.errors import DataModuleError
from lp_data.loading.loader import EpochSampler, ResumableLoader, begin_worker, default_num_workers
from lp_data.split import Split

FEWEST_STEPS = 10


class LabeledDataModule(LightningDataModule):
    """Loaders of labelled images.

    Batches are `lp_core.batches.LabeledBatch`. Their order and their augmentation depend on the
    seed and the epoch only, whatever the number of workers. Validation, test and prediction see
    images without augmentation, in the order of the split or of the table.

    Several processes deal the images out among themselves, and all take as many. Where that does
    not come out even, images come a second time: augmented afresh in training, without their labels
    elsewhere.

    Args:
        dataset: All labelled images, with the augmentation for training.
        split: Which rows of their table train, validate and test.
        train_batch_size: Labelled images in one optimisation step; of a `JointDataset` frames, each
            with the images of all views. Of several processes, each takes its share, rounded up,
            here and below.
        val_batch_size: Images in one validation batch.
        test_batch_size: Images in one test or prediction batch.
        num_workers: Worker processes for each loader of each process; None shares out the cores.
        seed: The seed of the order.
        fewest_steps: An epoch has at least so many steps; images are drawn again to fill it.

    Raises:
        DataModuleError: The split names rows that the dataset does not have, or a batch size is
            below 1.
    """

    def __init__(
        self,
        dataset: LabeledDataset,
        split: Split,
        *,
        train_batch_size: int = 16,
        val_batch_size: int = 32,
        test_batch_size: int = 32,
        num_workers: int | None = None,
        seed: int = 0,
        fewest_steps: int = 1,
    ) -> None:
        super().__init__()
        sizes = (train_batch_size, val_batch_size, test_batch_size)
        if min(sizes) < 1:
            raise DataModuleError(f"the batch size must be at least 1, got {min(sizes)}")
        _check_rows(split, len(dataset.table))
        self.dataset = dataset
        self.split = split
        self.training_samples = dataset.samples_of(split.train)
        self.train_batch_size, self.val_batch_size, self.test_batch_size = sizes
        self.num_workers = num_workers
        self.seed = seed
        self.fewest_steps = fewest_steps

    @property
    def steps_per_epoch(self) -> int:
        """Optimisation steps in one epoch, before any accumulation of gradients."""
        images = self._share(self.train_batch_size) * self._processes
        return max(self.fewest_steps, math.ceil(len(self.training_samples) / images))

    def train_dataloader(self) -> Any:
        """Batches of augmented training images, reshuffled in each epoch."""
        batch_size = self._share(self.train_batch_size)
        needed = math.ceil(len(self.training_samples) / (batch_size * self._processes))
        num_samples = None
        if needed < self.fewest_steps:
            num_samples = self.fewest_steps * batch_size * self._processes
        return self._loader(
            self.dataset, self.training_samples, batch_size, num_samples=num_samples, shuffle=True
        )

    def val_dataloader(self) -> Any:
        """Batches of the validation images."""
        samples = self.dataset.samples_of(self.split.validation)
        return self._plain_loader(samples, self.val_batch_size)

    def test_dataloader(self) -> Any:
        """Batches of the test images; none where the split has none."""
        return self._plain_loader(self.dataset.samples_of(self.split.test), self.test_batch_size)

    def predict_dataloader(self) -> Any:
        """Batches of all images in the order of the label table."""
        return self._plain_loader(range(len(self.dataset)), self.test_batch_size)

    @property
    def _processes(self) -> int:
        return self.trainer.world_size if self.trainer else 1

    def _share(self, batch_size: int) -> int:
        """One process's part of a batch."""
        return math.ceil(batch_size / self._processes)

    def _plain_loader(self, samples: Sequence[int], batch_size: int) -> ResumableLoader[Any]:
        plain = self.dataset.without_augmentation()
        return self._loader(plain, samples, self._share(batch_size))

    def _loader(
        self,
        dataset: LabeledDataset | ClipDataset,
        samples: Sequence[int],
        batch_size: int | None,
        *,
        num_samples: int | None = None,
        shuffle: bool = False,
    ) -> ResumableLoader[Any]:
        in_workers = isinstance(dataset, LabeledDataset) or dataset.in_workers
        on_gpu = self.trainer is not None and isinstance(self.trainer.accelerator, CUDAAccelerator)
        workers = self.num_workers if in_workers else 0
        if workers is None:
            here = self.trainer.num_devices if self.trainer else 1
            workers = default_num_workers(on_gpu=on_gpu, processes=here)
        sampler = EpochSampler(
            dataset,
            samples,
            num_samples=num_samples,
            shuffle=shuffle,
            seed=self.seed,
            rank=self.trainer.global_rank if self.trainer else 0,
            num_replicas=self._processes,
        )
        return ResumableLoader(
            dataset,
            batch_size=batch_size,
            sampler=sampler,
            collate_fn=collate if isinstance(dataset, LabeledDataset) else None,
            num_workers=workers,
            persistent_workers=workers > 0,
            worker_init_fn=begin_worker,
            pin_memory=on_gpu and in_workers,  # clips that are not are on the device already
        )


class SemiSupervisedDataModule(LabeledDataModule):
    """Labelled images and, beside them, one unlabelled clip in each step.

    Training batches are `lp_core.batches.SemiSupervisedBatch`; validation, test and prediction are
    those of `LabeledDataModule`. An epoch has at least 10 steps. Each process trains on clips of
    its own.

    Args:
        dataset: All labelled images, with the augmentation for training.
        split: Which of them train, validate and test.
        clips: The unlabelled clips; None where `use_clips` gives them before the training.
        fewest_steps: An epoch has at least so many steps.
        **options: As for `LabeledDataModule`.

    Raises:
        DataModuleError: Clips and images differ in size; or as `LabeledDataModule`.
    """

    def __init__(
        self,
        dataset: LabeledDataset,
        split: Split,
        clips: ClipDataset | None,
        *,
        fewest_steps: int = FEWEST_STEPS,
        **options: Any,
    ) -> None:
        super().__init__(dataset, split, fewest_steps=fewest_steps, **options)
        self.clips: ClipDataset | None = None
        if clips is not None:
            self.use_clips(clips)

    def use_clips(self, clips: ClipDataset) -> None:
        """Train on these clips.

        Raises:
            DataModuleError: Clips and images differ in size.
        """
        if clips.image_size != self.dataset.image_size:
            size = self.dataset.image_size
            raise DataModuleError(
                f"clips of {clips.image_size} px do not go with images of {size} px"
            )
        self.clips = clips

    def train_dataloader(self) -> CombinedLoader:
        """Batches of labelled images, each with a clip."""
        if self.clips is None:
            raise DataModuleError("there are no clips yet", remedy="call use_clips")
        clips = range(self.steps_per_epoch * self._processes)
        loaders = {
            "labeled": super().train_dataloader(),
            "unlabeled": self._loader(self.clips, clips, None),
        }
        return CombinedLoader(loaders, mode="max_size_cycle")


def _check_rows(split: Split, num_rows: int) -> None:
    rows = [*split.train, *split.validation, *split.test, *split.unused]
    beyond = [row for row in rows if not 0 <= row < num_rows]
    if beyond:
        raise DataModuleError(f"the split names row {beyond[0]} of {num_rows} labelled images")
    if not split.train:
        raise DataModuleError("the split has no frame to train on")
