"""A damaged or forged model is refused with a clear message, or loads to the original weights."""

import json
import pickle
import random
import shutil
import struct
import tracemalloc

import pytest
import torch

from lp_core.errors import LPError
from lp_io.checkpoint import load_model, save_model
from lp_io.errors import CheckpointError
from lp_io.strict_json import checksum
from lp_io.tensor_file import read_tensor_file

MUTATIONS = 1000
DTYPES = ("F64", "F32", "F16", "BF16", "I64", "I8", "U8", "BOOL", "F8_E4M3", "X9", "", 7, None)


class Bomb:
    """Leaves a trace where unpickling it would execute it."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return (open, (str(self.trace), "w"))


def split_file(content):
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def join_file(header, data):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def truncated(content, rng):
    return content[: rng.randrange(len(content))]


def bits_flipped(content, rng):
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 50))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def header_bits_flipped(content, rng):
    (length,) = struct.unpack("<Q", content[:8])
    return bits_flipped(content[: 8 + length], rng) + content[8 + length :]


def header_inflated(content, rng):
    length = rng.choice((2**63, 2**64 - 1, 10**12, len(content), len(content) * 4, 2**31))
    return struct.pack("<Q", length) + content[8:]


def extended(content, rng):
    return content + rng.randbytes(rng.randrange(1, 100))


def block_zeroed(content, rng):
    begin = rng.randrange(len(content))
    end = min(len(content), begin + rng.choice((1, 8, 512)))
    return content[:begin] + b"\0" * (end - begin) + content[end:]


def keys_renamed(content, rng):
    header, data = split_file(content)
    name = rng.choice([key for key in header if key != "__metadata__"])
    renamed = rng.choice((name + "x", "", name.upper(), "../" + name, "head.0.weight\0"))
    return join_file({renamed if k == name else k: v for k, v in header.items()}, data)


def wrong_dtypes(content, rng):
    header, data = split_file(content)
    name = rng.choice([key for key in header if key != "__metadata__"])
    header[name]["dtype"] = rng.choice(DTYPES)
    return join_file(header, data)


def wrong_shapes(content, rng):
    header, data = split_file(content)
    entry = header[rng.choice([key for key in header if key != "__metadata__"])]
    entry["shape"] = rng.choice(
        ([10**9, 10**9], entry["shape"][::-1], [-1], [0], [], "6", [1.5], [True], None, [2**70])
    )
    return join_file(header, data)


def wrong_offsets(content, rng):
    header, data = split_file(content)
    entry = header[rng.choice([key for key in header if key != "__metadata__"])]
    begin, end = entry["data_offsets"]
    entry["data_offsets"] = rng.choice(
        (
            [end, begin],
            [0, end - begin],
            [-1, end],
            [begin, 10**15],
            [begin],
            "ab",
            [begin + 1, end],
        )
    )
    return join_file(header, data)


def nan_weights(content, rng):
    header, data = split_file(content)
    entry = header[rng.choice([k for k, v in header.items() if v.get("dtype") == "F32"])]
    begin = entry["data_offsets"][0]
    value = struct.pack("<f", rng.choice((float("nan"), float("inf"))))
    return join_file(header, data[:begin] + value + data[begin + 4 :])


def no_safetensors(content, rng):
    nested = b"[" * 100_000
    return rng.choice(
        (
            b"",
            b"{}",
            b"\0" * 8,
            rng.randbytes(4096),
            struct.pack("<Q", 2) + b"{}",
            struct.pack("<Q", 4) + b"null",
            struct.pack("<Q", len(nested)) + nested,
            struct.pack("<Q", 8) + b'{"a":NaN',
            b"\x89HDF\r\n\x1a\n" + content,
        )
    )


KINDS = (
    truncated,
    bits_flipped,
    header_bits_flipped,
    header_inflated,
    extended,
    block_zeroed,
    keys_renamed,
    wrong_dtypes,
    wrong_shapes,
    wrong_offsets,
    nan_weights,
    no_safetensors,
)


@pytest.fixture
def saved(make_tracker, tmp_path):
    folder = tmp_path / "model"
    save_model(folder, make_tracker(semi_supervised=True), split={"train": ["a/b.png"]})
    return folder


def rewritten_manifest(folder, change):
    """A manifest whose own checksum is right, as a forger would write it."""
    path = folder / "manifest.json"
    content = json.loads(path.read_text())
    del content["checksum"]
    change(content)
    path.write_text(json.dumps({**content, "checksum": checksum(content)}))


def vouch_for_weights(folder):
    """Let the manifest's hash be that of the weights that are there now."""
    import hashlib

    content = (folder / "model.safetensors").read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    rewritten_manifest(folder, lambda manifest: manifest["weights"].update(sha256=digest))


def refused_or_original(folder, original):
    """True where the model was refused; fails where anything else but the original came out."""
    try:
        loaded = load_model(folder).tracker.state_dict()
    except LPError as error:
        return bool(error.problem and error.where)
    assert all(torch.equal(loaded[name], original[name]) for name in loaded)
    return False


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("forged", [False, True], ids=["damaged", "forged"])
def test_mutated_weights(saved, kind, forged):
    """Forged means that the manifest's hash agrees, so that the file itself must be checked."""
    original = load_model(saved).tracker.state_dict()
    weights, manifest = saved / "model.safetensors", saved / "manifest.json"
    content, text = weights.read_bytes(), manifest.read_bytes()
    rng = random.Random(f"{kind.__name__} {forged}")
    for _ in range(MUTATIONS // (2 * len(KINDS)) + 1):
        changed = kind(content, rng)
        weights.write_bytes(changed)
        manifest.write_bytes(text)
        if not forged:
            assert refused_or_original(saved, original) or changed == content
            continue
        vouch_for_weights(saved)
        try:
            tensors = load_model(saved).tracker.state_dict()
        except LPError:
            continue
        # values may differ, since whoever forges both files may choose them; nothing else may
        assert {n: (t.shape, t.dtype) for n, t in tensors.items()} == {
            n: (t.shape, t.dtype) for n, t in original.items()
        }
        assert all(t.isfinite().all() for t in tensors.values() if t.is_floating_point())


@pytest.mark.parametrize("kind", [truncated, bits_flipped, extended, block_zeroed, no_safetensors])
def test_mutated_manifests(saved, kind):
    original = load_model(saved).tracker.state_dict()
    manifest = saved / "manifest.json"
    content = manifest.read_bytes()
    rng = random.Random(kind.__name__)
    for _ in range(60):
        manifest.write_bytes(kind(content, rng))
        refused_or_original(saved, original)


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize("name", ["model.safetensors", "manifest.json"])
def test_a_pickle_under_the_name_is_refused_and_not_executed(saved, tmp_path, protocol, name):
    trace = tmp_path / "executed"
    (saved / name).write_bytes(pickle.dumps(Bomb(trace), protocol=protocol))
    with pytest.raises(CheckpointError):
        load_model(saved)
    assert not trace.exists()


def test_a_torch_archive_under_the_name_is_called_a_pickle(saved):
    torch.save({"weight": torch.zeros(3)}, saved / "model.safetensors")
    with pytest.raises(CheckpointError, match="pickle"):
        load_model(saved)


def test_an_inflated_header_takes_no_memory(saved):
    path = saved / "model.safetensors"
    path.write_bytes(struct.pack("<Q", 10**12) + path.read_bytes()[8:])
    tracemalloc.start()
    with pytest.raises(CheckpointError, match="cut short"):
        read_tensor_file(path)
    assert tracemalloc.get_traced_memory()[1] < 100_000
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.update(format_version=3), "upgrade lp-io"),
        (lambda m: m.update(format_version=0), "not a version"),
        (lambda m: m.update(format="zip"), "not the manifest"),
        (lambda m: m.update(model_type="__import__"), "not installed"),
        (lambda m: m["options"].update(hidden=6), "do not fit"),
        (lambda m: m["options"].update(hidden="6"), "does not take"),
        (lambda m: m["options"].update(surprise=1), "surprise"),
        (lambda m: m.pop("weights"), "weights"),
        (lambda m: m["weights"]["tensors"].pop(), "not as the manifest says"),
        (lambda m: m["weights"].update(tensors={}), r"weights\.tensors: .* array"),
        (lambda m: m.update(split={"train": [1]}), r"split\.train\.0: .* string"),
    ],
)
def test_a_forged_manifest(saved, change, message):
    rewritten_manifest(saved, change)
    with pytest.raises(LPError, match=message):
        load_model(saved)


def test_an_edited_manifest_is_noticed(saved):
    path = saved / "manifest.json"
    path.write_text(path.read_text().replace("tail base", "tail tip"))
    with pytest.raises(CheckpointError, match="changed or damaged"):
        load_model(saved)


def test_the_weights_of_another_model_are_noticed(saved, make_tracker, tmp_path):
    save_model(tmp_path / "other", make_tracker(seed=3, semi_supervised=True))
    shutil.copy(tmp_path / "other" / "model.safetensors", saved)
    with pytest.raises(CheckpointError, match="not those that the manifest was written for"):
        load_model(saved)
