"""A training that was stopped anywhere and resumed ends with the weights of one that was not."""

import csv
import random

import numpy as np
import pytest
import torch
from pytorch_lightning import Callback, LightningDataModule, Trainer
from pytorch_lightning.loggers import CSVLogger
from torch.utils.data import DataLoader, Dataset, Sampler

from lp_core.callbacks import AnnealWeight, UnfreezeBackbone
from lp_io.training_state.saver import TrainingStateSaver, latest_training_state
from lp_io.training_state.storage import TrainingStateIO

BATCHES, EPOCHS = 5, 4
ENDS = {}


class PowerCut(BaseException):
    """Not an Exception: nothing is tidied up on its account."""


class Images(Dataset):
    """Random images whose chance depends on index and epoch only."""

    epoch = 0

    def __len__(self):
        return 2 * BATCHES

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(1000 * self.epoch + index)
        return {
            "images": torch.randint(0, 255, (3, 16, 24), generator=generator).byte(),
            "keypoints": torch.rand(2, 2, generator=generator) * 16,
            "visibility": torch.full((2,), 2),
            "to_frame": torch.tensor([[1.0, 0, 0], [0, 1.0, 0]]),
        }


class Clips(Images):
    def __len__(self):
        return BATCHES

    def __getitem__(self, index):
        item = super().__getitem__(index)
        return {
            "frames": item["images"].expand(3, 3, 16, 24),
            "to_frame": item["to_frame"].expand(3, 2, 3),
        }


class Shuffled(Sampler):
    def __init__(self, dataset):
        self.dataset, self.first = dataset, 0

    def __len__(self):
        return len(self.dataset)

    def set_epoch(self, epoch):
        self.dataset.epoch = epoch

    def __iter__(self):
        order = np.random.default_rng(self.dataset.epoch).permutation(len(self.dataset)).tolist()
        first, self.first = self.first, 0  # lazily: a loader with workers calls iter() twice
        yield from order[first:]


class ResumableLoader(DataLoader):
    given, skip = 0, 0

    def __iter__(self):
        self.given, self.skip = self.skip, 0
        if isinstance(self.sampler, Shuffled):
            self.sampler.first = self.given * (self.batch_size or 1)
        for batch in super().__iter__():
            self.given += 1
            yield batch

    def state_dict(self):
        return {"given": self.given}

    def load_state_dict(self, state):
        self.skip = state["given"]


class Data(LightningDataModule):
    def __init__(self, semi_supervised, workers=0):
        super().__init__()
        self.semi_supervised, self.workers = semi_supervised, workers

    def loader(self, dataset, batch_size, shuffled=True):
        options = {"sampler": Shuffled(dataset)} if shuffled else {}
        return ResumableLoader(dataset, batch_size=batch_size, num_workers=self.workers, **options)

    def train_dataloader(self):
        labeled = self.loader(Images(), 2)
        if not self.semi_supervised:
            return labeled
        return {"labeled": labeled, "unlabeled": self.loader(Clips(), None)}

    def val_dataloader(self):
        return self.loader(Images(), 5, shuffled=False)


class CutPower(Callback):
    """Stops the run without warning at the n-th call of one of its hooks."""

    def __init__(self, hook, count):
        self.hook, self.count = hook, count

    def tick(self, hook):
        if hook == self.hook:
            self.count -= 1
            if self.count == 0:
                raise PowerCut

    def on_train_batch_start(self, *arguments):
        self.tick("train_batch_start")

    def on_before_optimizer_step(self, *arguments):
        self.tick("optimizer_step")

    def on_train_batch_end(self, *arguments):
        self.tick("train_batch_end")

    def on_validation_batch_end(self, *arguments):
        self.tick("validation")

    def on_validation_end(self, *arguments):
        self.tick("validation_end")

    def on_train_epoch_end(self, *arguments):
        self.tick("train_epoch_end")


def seed(number):
    random.seed(number), np.random.seed(number), torch.manual_seed(number)


def train(
    make_tracker, folder, *, cut=None, semi_supervised=False, workers=0, epochs=EPOCHS, **options
):
    """Train a fresh tracker, from the latest state in ``folder`` if there is one."""
    tracker = make_tracker(semi_supervised=semi_supervised, seed=1)
    seed(2)
    resume = latest_training_state(folder)
    if resume:
        seed(99)  # a resumed process starts with other generators
    saver = TrainingStateSaver(
        folder, every_n_steps=options.pop("every_n_steps", 2), keep=options.pop("keep", 1)
    )
    callbacks = [UnfreezeBackbone(), CutPower(*(cut or ("never", 0))), saver]
    if semi_supervised:
        anneal = AnnealWeight(init_val=0.1, increase_factor=0.3, freeze_until_epoch=0)
        callbacks.insert(0, anneal)
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        callbacks=callbacks,
        plugins=[TrainingStateIO(in_background=True)],
        logger=CSVLogger(
            folder / f"logs{len(list(folder.glob('logs*')))}", flush_logs_every_n_steps=1
        ),
        log_every_n_steps=1,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        **options,
    )
    trainer.fit(tracker, datamodule=Data(semi_supervised, workers), ckpt_path=resume)
    return tracker


def curve(folder):
    """Every value logged in a folder, by step and name; later runs overwrite earlier ones."""
    values = {}
    for log in sorted(folder.glob("logs*")):
        for row in csv.DictReader((log / "lightning_logs/version_0/metrics.csv").open()):
            step = row.pop("step")
            values |= {(step, name): value for name, value in row.items() if value}
    return values


def end_of(tracker, folder):
    """Weights and curve of a finished training."""
    return {name: t.clone() for name, t in tracker.state_dict().items()}, curve(folder)


def assert_same_end(one, other):
    assert all(torch.equal(one[0][name], other[0][name]) for name in one[0])
    assert one[1] == other[1]


@pytest.fixture
def undisturbed(make_tracker, tmp_path):
    """The end of a training with some options that nothing disturbed; each is run only once."""

    def run(**options):
        if str(options) not in ENDS:
            folder = tmp_path / "undisturbed"
            folder.mkdir()
            ENDS[str(options)] = end_of(train(make_tracker, folder, **options), folder)
        return ENDS[str(options)]

    return run


def assert_resumes(make_tracker, folder, expected, cut, **options):
    with pytest.raises(PowerCut):
        train(make_tracker, folder, cut=cut, **options)
    assert_same_end(end_of(train(make_tracker, folder, **options), folder), expected)


@pytest.mark.parametrize(
    "cut",
    [
        ("train_batch_start", 4),
        ("optimizer_step", 8),
        ("train_batch_end", 5),
        ("train_batch_end", 9),
        ("train_batch_end", 13),
        ("validation", 1),
        ("validation", 4),
        ("validation_end", 2),
        ("train_epoch_end", 2),
        ("train_batch_start", 6),
    ],
    ids=str,
)
def test_cut_anywhere(make_tracker, undisturbed, tmp_path, cut):
    expected = undisturbed(semi_supervised=True)
    assert_resumes(make_tracker, tmp_path, expected, cut, semi_supervised=True)


@pytest.mark.parametrize(
    ("options", "cut"),
    [
        ({}, ("train_batch_end", 8)),
        ({}, ("validation", 2)),
        ({"val_check_interval": 2}, ("train_batch_end", 8)),
        ({"val_check_interval": 2}, ("validation", 3)),
        ({"val_check_interval": 3, "check_val_every_n_epoch": None}, ("train_batch_end", 8)),
        ({"val_check_interval": 3, "check_val_every_n_epoch": None}, ("validation", 4)),
        ({"check_val_every_n_epoch": 2}, ("train_batch_end", 12)),
        ({"accumulate_grad_batches": 2}, ("train_batch_end", 9)),
        ({"gradient_clip_val": 0.5}, ("validation", 2)),
        ({"every_n_steps": 1}, ("train_batch_end", 8)),
        ({"every_n_steps": 5}, ("train_batch_end", 8)),
        ({"workers": 2, "semi_supervised": True}, ("train_batch_end", 8)),
        ({"limit_train_batches": 4}, ("train_batch_end", 7)),
    ],
    ids=str,
)
def test_cut_with_other_settings(make_tracker, undisturbed, tmp_path, options, cut):
    assert_resumes(make_tracker, tmp_path, undisturbed(**options), cut, **options)


def test_cut_again_and_again(make_tracker, undisturbed, tmp_path):
    for count in (3, 5, 2, 4, 6):
        with pytest.raises(PowerCut):
            train(make_tracker, tmp_path, cut=("train_batch_end", count), semi_supervised=True)
    resumed = end_of(train(make_tracker, tmp_path, semi_supervised=True), tmp_path)
    assert_same_end(resumed, undisturbed(semi_supervised=True))


def test_a_finished_training_can_be_prolonged(make_tracker, undisturbed, tmp_path):
    train(make_tracker, tmp_path, epochs=2)
    longer = end_of(train(make_tracker, tmp_path), tmp_path)
    assert_same_end(longer, undisturbed())


def test_it_is_a_training_that_chance_matters_to(make_tracker):
    """Otherwise the tests above would pass without any generator being restored."""
    tracker = make_tracker().train()
    image = torch.full((1, 3, 16, 24), 100, dtype=torch.uint8)
    assert not torch.equal(tracker(image), tracker(image))


def test_a_damaged_state_is_passed_over(make_tracker, tmp_path):
    train(make_tracker, tmp_path, epochs=2, keep=3)
    states = sorted(tmp_path.glob("*.safetensors"))
    assert len(states) == 3
    states[-1].write_bytes(states[-1].read_bytes()[:-5])
    assert latest_training_state(tmp_path) == states[-2]


def test_old_states_are_removed(make_tracker, tmp_path):
    train(make_tracker, tmp_path, epochs=2, keep=2)
    names = [path.name for path in sorted(tmp_path.glob("*.safetensors"))]
    assert names == ["step-000000008.state.safetensors", "step-000000010.state.safetensors"]


@pytest.mark.parametrize("in_background", [False, True])
def test_a_full_disk_does_not_end_the_training(make_tracker, undisturbed, tmp_path, in_background):
    (tmp_path / "file").write_text("")
    tracker = make_tracker(seed=1)
    seed(2)
    saver = TrainingStateSaver(tmp_path / "file" / "states", every_n_steps=2)
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=EPOCHS,
        callbacks=[UnfreezeBackbone(), saver],
        plugins=[TrainingStateIO(in_background=in_background)],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )
    with pytest.warns(UserWarning, match="the training goes on"):
        trainer.fit(tracker, datamodule=Data(semi_supervised=False))
    state, expected = tracker.state_dict(), undisturbed()[0]
    assert all(torch.equal(state[name], expected[name]) for name in state)
