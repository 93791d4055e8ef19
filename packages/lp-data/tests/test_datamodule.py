"""Batches come in an order that only seed and epoch decide, and take up where they stopped."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from lp_core.poses import PoseTable, Skeleton
from lp_data.augmentation.effect import Augmented
from lp_data.datamodule import LabeledDataModule
from lp_data.datasets.labeled import LabeledDataset
from lp_data.errors import DataModuleError
from lp_data.loading.loader import EpochSampler, ResumableLoader, default_num_workers
from lp_data.split import Split, split_rows

ROWS = 20
SPLIT = Split(train=tuple(range(4, 20)), validation=(3, 1), test=(0,), unused=(2,))


def noise(images, keypoints, rng):
    return Augmented(np.full_like(images, rng.integers(256)), keypoints, np.eye(3)[:2])


@pytest.fixture
def dataset(tmp_path):
    for i in range(ROWS):
        cv2.imwrite(str(tmp_path / f"img{i:02d}.png"), np.full((8, 8, 3), i, np.uint8))
    images = tuple(f"img{i:02d}.png" for i in range(ROWS))
    table = PoseTable(Skeleton(("nose",)), np.full((ROWS, 1, 2), 3.0), images)
    return LabeledDataset(table, tmp_path, (8, 8), augmenter=noise)


def run(loader, epoch):
    """(index, colour) of every sample of an epoch, by batch."""
    loader.sampler.set_epoch(epoch)
    return [
        [
            (int(i), int(image[0, 0, 0]))
            for i, image in zip(b["table_row"], b["images"], strict=True)
        ]
        for b in loader
    ]


def rows(batches):
    return [index for batch in batches for index, _ in batch]


def module(dataset, **options):
    return LabeledDataModule(dataset, SPLIT, train_batch_size=5, num_workers=0, **options)


def test_training_batches_follow_the_contract(dataset):
    batch = next(iter(module(dataset).train_dataloader()))
    assert batch["images"].shape == (5, 3, 8, 8)
    assert batch["images"].dtype == torch.uint8
    assert batch["keypoints"].shape == (5, 1, 2)
    assert batch["visibility"].shape == (5, 1)
    assert batch["to_frame"].shape == (5, 2, 3)
    assert batch["table_row"].shape == (5,)


def test_an_epoch_is_every_training_row_once_in_a_new_order(dataset):
    loader = module(dataset).train_dataloader()
    first, second = run(loader, 0), run(loader, 1)
    assert [len(batch) for batch in first] == [5, 5, 5, 1]
    assert sorted(rows(first)) == sorted(rows(second)) == list(SPLIT.train)
    assert rows(first) != rows(second)
    assert rows(first) != list(SPLIT.train)


def test_two_runs_with_one_seed_see_the_same(dataset):
    first = run(module(dataset, seed=3).train_dataloader(), 2)
    assert run(module(dataset, seed=3).train_dataloader(), 2) == first
    assert rows(run(module(dataset, seed=4).train_dataloader(), 2)) != rows(first)


def test_workers_that_live_on_see_the_epoch_change_and_change_nothing(dataset):
    alone = module(dataset).train_dataloader()
    many = LabeledDataModule(dataset, SPLIT, train_batch_size=5, num_workers=2).train_dataloader()
    for epoch in (0, 1, 7):
        assert run(many, epoch) == run(alone, epoch)


def test_validation_test_and_prediction_are_plain_and_in_order(dataset):
    data = module(dataset)
    for loader, expected in (
        (data.val_dataloader(), [3, 1]),
        (data.test_dataloader(), [0]),
        (data.predict_dataloader(), list(range(ROWS))),
    ):
        batches = run(loader, 0)
        assert rows(batches) == expected
        assert all(colour == index for batch in batches for index, colour in batch)


def test_validating_does_not_disturb_the_epoch_of_training(dataset):
    data = module(dataset)
    train = data.train_dataloader()
    expected = run(train, 4)
    run(data.val_dataloader(), 0)
    assert run(train, 4) == expected
    train.sampler.set_epoch(4)
    batches = iter(train)
    next(batches)
    data.val_dataloader().sampler.set_epoch(0)
    second = next(batches)
    assert [int(image[0, 0, 0]) for image in second["images"]] == [c for _, c in expected[1]]


def test_no_test_rows_means_no_test_batches(dataset):
    split = Split(train=tuple(range(1, ROWS)), validation=(0,), test=())
    assert list(LabeledDataModule(dataset, split, num_workers=0).test_dataloader()) == []


def test_a_short_epoch_is_filled_with_fresh_draws(dataset):
    data = module(dataset, fewest_steps=10)
    assert data.steps_per_epoch == 10
    batches = run(data.train_dataloader(), 0)
    assert [len(batch) for batch in batches] == [5] * 10
    seen = rows(batches)
    assert sorted(seen[:16]) == sorted(seen[16:32]) == list(SPLIT.train)
    assert seen[:16] != seen[16:32]
    colours = {}
    for batch in batches:
        for index, colour in batch:
            colours.setdefault(index, set()).add(colour)
    assert max(len(each) for each in colours.values()) > 1  # augmented afresh


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("stop", [1, 3])
def test_a_stopped_epoch_is_taken_up_where_it_stopped(dataset, workers, stop):
    def loader():
        data = LabeledDataModule(dataset, SPLIT, train_batch_size=5, num_workers=workers)
        return data.train_dataloader()

    whole = run(loader(), 3)
    stopped = loader()
    stopped.sampler.set_epoch(3)
    batches = iter(stopped)
    for _ in range(stop):
        next(batches)
    state = stopped.state_dict()
    resumed = loader()
    resumed.load_state_dict(state)
    assert run(resumed, 3) == whole[stop:]
    assert run(resumed, 4) == run(stopped, 4)


def test_a_state_of_another_epoch_leaves_nothing_out(dataset):
    loader = module(dataset).train_dataloader()
    whole = run(loader, 5)
    loader.load_state_dict({"epoch": 4, "batches": 4})
    assert run(loader, 5) == whole


def test_processes_share_an_epoch_without_overlap(dataset):
    parts = [
        list(EpochSampler(dataset, SPLIT.train, shuffle=True, rank=rank, num_replicas=3))
        for rank in range(3)
    ]
    assert [len(part) for part in parts] == [6, 6, 6]  # equal, or the last step would hang
    alone = list(EpochSampler(dataset, SPLIT.train, shuffle=True, num_samples=18))
    assert [index for step in zip(*parts, strict=True) for index in step] == alone


def test_bad_splits_and_batches_are_refused(dataset):
    with pytest.raises(DataModuleError, match="row 20"):
        LabeledDataModule(dataset, Split(train=(0, 20), validation=(1,), test=()))
    with pytest.raises(DataModuleError, match="no frame to train"):
        LabeledDataModule(dataset, Split(train=(), validation=(1,), test=()))
    with pytest.raises(DataModuleError, match="at least 1, got 0"):
        LabeledDataModule(dataset, split_rows(ROWS, 0.8, 0.1, 0), val_batch_size=0)


class Recorder(pl.LightningModule):
    """Learns nothing, and writes down what it sees."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen = []

    def training_step(self, batch, _):
        colours = batch["images"][:, 0, 0, 0].tolist()
        self.seen.append((self.current_epoch, batch["table_row"].tolist(), colours))
        return self.weight * 1.0

    def validation_step(self, batch, _):
        pass

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fit(dataset, folder, *, steps, resume=None, every=None):
    checkpoint = pl.callbacks.ModelCheckpoint(
        folder, every_n_train_steps=every, save_top_k=-1, filename="{step}"
    )
    trainer = pl.Trainer(
        max_steps=steps,
        accelerator="cpu",
        logger=False,
        callbacks=[checkpoint],
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    model = Recorder()
    trainer.fit(model, module(dataset), ckpt_path=resume)
    return model.seen


@pytest.mark.parametrize("stop", [2, 4, 6])
def test_lightning_resumes_with_the_batches_that_were_to_come(dataset, tmp_path, stop):
    whole = fit(dataset, tmp_path / "whole", steps=10, every=1)
    assert len(whole) == 10
    assert {epoch for epoch, _, _ in whole} == {0, 1, 2}
    assert len({tuple(indices) for _, indices, _ in whole}) == 10
    rest = fit(dataset, tmp_path / "rest", steps=10, resume=tmp_path / f"whole/step={stop}.ckpt")
    assert rest == whole[stop:]


def test_lightning_leaves_the_loaders_as_they_are(dataset):
    loader = module(dataset).train_dataloader()
    assert isinstance(loader, ResumableLoader)
    assert isinstance(loader.sampler, torch.utils.data.DistributedSampler)


@pytest.mark.parametrize(("processes", "workers"), [(1, 8), (2, 6), (4, 3), (100, 1)])
def test_processes_share_the_cores_of_their_machine(monkeypatch, processes, workers):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(12), raising=False)
    assert default_num_workers(on_gpu=True, processes=processes) == workers
