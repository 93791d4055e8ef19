"""Whatever a training state holds comes back exactly, or is refused by name."""

import pickle
import random
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lp_io.errors import TrainingStateError
from lp_io.training_state.saver import capture_random_state, restore_random_state
from lp_io.training_state.storage import TrainingStateIO, read_training_state, write_training_state

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec="utf-8"), max_size=5)
)
tensors = st.sampled_from(
    [
        torch.zeros(0, 3),
        torch.tensor(2.5, dtype=torch.float64),
        torch.arange(6).reshape(2, 3),
        torch.tensor([True, False]),
        torch.tensor([1.5, float("nan"), float("inf")], dtype=torch.bfloat16),
        torch.arange(12.0).reshape(3, 4).T,
        np.arange(4, dtype=np.float32),
        np.float64(0.1),
        np.int64(7),
    ]
)
keys = st.text(st.characters(codec="utf-8"), max_size=4) | st.integers() | st.just("$")
values = st.recursive(
    scalars | tensors,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(keys, inner, max_size=3)
        | st.dictionaries(keys, inner, max_size=3).map(OrderedDict)
    ),
    max_leaves=12,
)


def assert_same(one, other):
    assert type(one) is type(other)
    if isinstance(one, torch.Tensor | np.ndarray | np.generic):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        one, other = (torch.as_tensor(item) for item in (one, other))
        assert (
            one.double().nan_to_num(nan=-7).tolist() == other.double().nan_to_num(nan=-7).tolist()
        )
    elif isinstance(one, dict):
        assert list(one) == list(other)
        for key, value in one.items():
            assert_same(value, other[key])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for first, second in zip(one, other, strict=True):
            assert_same(first, second)
    else:
        assert repr(one) == repr(other)


@settings(deadline=None, max_examples=200)
@given(value=values)
def test_any_state_comes_back_with_its_types(value, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "any.state.safetensors"
    write_training_state(path, {"state": value, "a/b": value, "a": {"b": value}})
    back = read_training_state(path)
    assert_same(back["state"], value)
    assert_same(back["a/b"], value)
    assert_same(back["a"]["b"], value)


def test_an_optimiser_goes_on_as_before(tmp_path):
    def run(parameter, optimizer, steps):
        for step in range(steps):
            optimizer.zero_grad()
            (parameter * (step + 1)).square().sum().backward()
            optimizer.step()

    first = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    optimizer = torch.optim.AdamW([{"params": [first], "name": "head"}], lr=0.1)
    run(first, optimizer, 3)
    write_training_state(tmp_path / "s", {"optimizer": optimizer.state_dict(), "p": first})
    run(first, optimizer, 2)

    state = read_training_state(tmp_path / "s")
    second = torch.nn.Parameter(state["p"])
    other = torch.optim.AdamW([{"params": [second], "name": "head"}], lr=0.5)
    other.load_state_dict(state["optimizer"])
    run(second, other, 2)
    assert torch.equal(first, second)


@pytest.mark.parametrize(
    ("value", "name"),
    [(Path("x"), "PosixPath"), ({1}, "set"), (lambda: 0, "function"), (1j, "complex")],
)
def test_what_cannot_be_stored_is_refused_by_place(tmp_path, value, name):
    with pytest.raises(TrainingStateError, match=name) as caught:
        write_training_state(tmp_path / "s", {"callbacks": {"Mine": [0, value]}})
    assert caught.value.where == "state/callbacks/Mine/1"
    assert list(tmp_path.iterdir()) == []


def test_tensors_that_cannot_be_stored_are_refused(tmp_path):
    for tensor in (torch.zeros(2, dtype=torch.complex64), torch.eye(2).to_sparse()):
        with pytest.raises(TrainingStateError, match="cannot be stored"):
            write_training_state(tmp_path / "s", {"t": tensor})


def prime_generators():
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    random.gauss(0, 1), np.random.randn()  # both keep a spare value


def draw_from_generators():
    return random.random(), np.random.rand(), np.random.randn(), torch.rand(1).item()


def test_random_generators_go_on_as_before(tmp_path):
    prime_generators()
    expected = [draw_from_generators() for _ in range(3)]
    prime_generators()
    # the run-time type checker draws from Python's generator, so nothing is drawn after this
    write_training_state(tmp_path / "s", capture_random_state())
    restore_random_state(read_training_state(tmp_path / "s"))
    assert [draw_from_generators() for _ in range(3)] == expected


def test_damage_is_noticed(tmp_path):
    path = tmp_path / "s"
    write_training_state(path, {"a": torch.arange(50.0), "b": {"step": 3, "name": "head"}})
    content = path.read_bytes()
    rng = random.Random(0)
    for _ in range(200):
        changed = bytearray(content)
        changed[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        path.write_bytes(changed)
        with pytest.raises(TrainingStateError):
            read_training_state(path)
    for size in (0, 7, 100, len(content) - 1):
        path.write_bytes(content[:size])
        with pytest.raises(TrainingStateError):
            read_training_state(path)
    path.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(TrainingStateError, match="pickle"):
        read_training_state(path)
    with pytest.raises(TrainingStateError, match="cannot be read"):
        read_training_state(tmp_path / "missing")


def test_a_state_is_written_as_it_was_while_the_training_goes_on(tmp_path):
    files, weights = TrainingStateIO(in_background=True), torch.zeros(1000, 1000)
    for step in range(4):
        files.save_checkpoint({"weights": weights, "step": step}, tmp_path / f"{step}")
        weights += 1  # in place, as optimisers do
    files.teardown()
    for step in range(4):
        state = read_training_state(tmp_path / f"{step}")
        assert state["step"] == step
        assert (state["weights"] == step).all()


def test_a_state_that_cannot_be_written_is_told_with_the_next(tmp_path):
    (tmp_path / "file").write_text("")
    files = TrainingStateIO(in_background=True)
    files.save_checkpoint({"step": 1}, tmp_path / "file" / "state")
    with pytest.raises(TrainingStateError, match="cannot be written"):
        files.save_checkpoint({"step": 2}, tmp_path / "state")
    files.save_checkpoint({"step": 3}, tmp_path / "state")
    assert files.load_checkpoint(tmp_path / "state") == {"step": 3}


def test_what_cannot_be_stored_is_told_at_once(tmp_path):
    files = TrainingStateIO(in_background=True)
    with pytest.raises(TrainingStateError, match="cannot be stored"):
        files.save_checkpoint({"hook": print}, tmp_path / "state")
