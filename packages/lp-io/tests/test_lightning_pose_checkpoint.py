import os
import pickle
import sys
import types
import zipfile
from collections import OrderedDict, defaultdict

import pytest
import torch

from lp_io.errors import ConversionError
from lp_io.lightning_pose.checkpoint import (
    find_lightning_pose_checkpoint,
    is_lightning_pose_model_dir,
    read_lightning_pose_checkpoint,
)

WEIGHTS = OrderedDict(
    {"backbone.0.weight": torch.arange(6.0).reshape(2, 3), "head.b": torch.ones(2)}
)


@pytest.fixture
def omegaconf(monkeypatch):
    """Classes under OmegaConf's names that would act if they were ever built."""

    def module(name, *kinds):
        made = types.ModuleType(name)
        for kind in kinds:
            made.__dict__[kind] = type(
                kind,
                (),
                {"__module__": name, "__setstate__": lambda self, state: pytest.fail("ran")},
            )
        monkeypatch.setitem(sys.modules, name, made)
        return made

    module("omegaconf")
    return types.SimpleNamespace(
        config=module("omegaconf.dictconfig", "DictConfig").DictConfig,
        node=module("omegaconf.nodes", "AnyNode").AnyNode,
        metadata=module("omegaconf.base", "ContainerMetadata").ContainerMetadata,
    )


def _container(omegaconf, values):
    def node(value):
        made = omegaconf.node()
        made.__dict__.update(_val=value, _metadata=None)
        return made

    metadata = omegaconf.metadata()
    metadata.__dict__.update(object_type=dict, key_type=int, flags=defaultdict(list))
    made = omegaconf.config()
    made.__dict__.update(
        _content={name: node(value) for name, value in values.items()}, _metadata=metadata
    )
    return made


def _save(path, **changes):
    content = {"epoch": 3, "state_dict": WEIGHTS, "hyper_parameters": {"backbone": "resnet18"}}
    torch.save(content | changes, path)
    return path


def test_weights_and_options_are_read_without_omegaconf(tmp_path, omegaconf):
    options = {"learning_rate": 0.001, "name": "Adam"}
    path = _save(
        tmp_path / "a.ckpt",
        hyper_parameters={
            "num_keypoints": 2,
            "optimizer_params": _container(omegaconf, options),
            "pretrained": False,
        },
        optimizer_states=[{"state": {0: {"step": torch.tensor(1.0)}}, "param_groups": []}],
    )
    checkpoint = read_lightning_pose_checkpoint(path)
    assert list(checkpoint.weights) == list(WEIGHTS)
    for name, value in WEIGHTS.items():
        assert torch.equal(checkpoint.weights[name], value)
    assert checkpoint.hyper_parameters == {
        "num_keypoints": 2,
        "optimizer_params": options,
        "pretrained": False,
    }


class Hostile:
    """Calls ``function`` with a file that it would make, when unpickled."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("place", ["state_dict", "hyper_parameters", "callbacks"])
@pytest.mark.parametrize("name", ["system", "mkdir", "eval", "getattr", "load"])
def test_a_checkpoint_that_would_run_code_is_refused(tmp_path, name, place):
    trap = tmp_path / "trap"
    call = {
        "system": (os.system, f"touch {trap}"),
        "mkdir": (os.mkdir, str(trap)),
        "eval": (eval, f"open({str(trap)!r}, 'w')"),
        "getattr": (getattr, os, "mkdir"),
        "load": (pickle.loads, pickle.dumps(Hostile(os.mkdir, str(trap)))),
    }[name]
    if name == "getattr":
        call = (getattr, "text", "upper")
    path = _save(tmp_path / "a.ckpt", **{place: {"x": Hostile(*call)}})
    with pytest.raises(ConversionError, match="wants to import"):
        read_lightning_pose_checkpoint(path)
    assert not trap.exists()


@pytest.mark.parametrize(
    "pickled",
    [
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.",  # by STACK_GLOBAL
        b"(S'true'\nios\nsystem\n.",  # by INST
        b"\x80\x02\x82\x01.",  # by a registered extension
        b"\x80\x02ctorch\nload\n.",
        b"\x80\x02cos.path\njoin\n.",
        b"no pickle at all",
        b"",
    ],
)
def test_other_ways_to_import_are_refused_too(tmp_path, pickled):
    path = _with_pickle(_save(tmp_path / "a.ckpt"), pickled)
    with pytest.raises(ConversionError):
        read_lightning_pose_checkpoint(path)


@pytest.mark.parametrize(
    "pickled",
    [
        pickle.dumps([1, 2], protocol=2),
        pickle.dumps({"state_dict": {"a": 1}}, protocol=2),
        pickle.dumps({"state_dict": {}}, protocol=2),
        pickle.dumps({"epoch": 1}, protocol=2),
        b"\x80\x02ccollections\ndefaultdict\nK\x01\x85R.",
        b"\x80\x02comegaconf.dictconfig\nDictConfig\nK\x01\x85R.",
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\nK\x01\x85R.",
        b"\x80\x02" + b"]" * 5,
        b"\x80\x020.",
        b"\x80\x02h\x05.",
        b"\x80\x02K\x01Q.",
    ],
)
def test_what_is_no_checkpoint_is_refused(tmp_path, pickled):
    path = _with_pickle(_save(tmp_path / "a.ckpt"), pickled)
    with pytest.raises(ConversionError):
        read_lightning_pose_checkpoint(path)


def _with_pickle(path, pickled, compression=zipfile.ZIP_STORED):
    """The same archive with another pickle."""
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in entries.items():
            archive.writestr(name, pickled if name.endswith("data.pkl") else content)
    return path


def test_damaged_files_are_refused(tmp_path):
    whole = _save(tmp_path / "a.ckpt").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.ckpt") as archive:
        pickled = archive.read("a/data.pkl")
    path = tmp_path / "b.ckpt"
    for content in (b"", b"PK", whole[:100], whole[: len(whole) // 2], whole[:-10]):
        path.write_bytes(content)
        with pytest.raises(ConversionError):
            read_lightning_pose_checkpoint(path)
    _with_pickle(_save(path), pickled, zipfile.ZIP_DEFLATED)
    with pytest.raises(ConversionError, match="not laid out"):
        read_lightning_pose_checkpoint(path)
    with pytest.raises(ConversionError, match="no such file"):
        read_lightning_pose_checkpoint(tmp_path / "missing.ckpt")
    with pytest.raises(ConversionError, match="cannot be read"):
        read_lightning_pose_checkpoint(tmp_path)


def test_options_that_repeat_one_list_endlessly_are_refused(tmp_path):
    options = ["again"]
    for _ in range(15):
        options = [options] * 6
    path = _save(tmp_path / "a.ckpt", hyper_parameters={"cfg": options})
    with pytest.raises(ConversionError, match="more values"):
        read_lightning_pose_checkpoint(path)


def test_old_files_that_are_a_bare_pickle_are_refused(tmp_path):
    path = tmp_path / "a.ckpt"
    torch.save({"state_dict": WEIGHTS}, path, _use_new_zipfile_serialization=False)
    with pytest.raises(ConversionError, match="not a zip archive"):
        read_lightning_pose_checkpoint(path)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["version_0/epoch=1-step=2-best", "version_0/epoch=9-step=90-final"], 0),
        (["version_0/epoch=1-step=2", "version_0/epoch=9-step=10"], 1),
        (["version_2/epoch=9-step=99-best", "version_10/epoch=1-step=1-best"], 1),
        (["version_1/epoch=9-step=99-best", "version_2/epoch=1-step=1"], 1),
    ],
)
def test_the_checkpoint_is_the_one_that_the_package_would_take(tmp_path, files, expected):
    paths = []
    for file in files:
        version, name = file.split("/")
        paths.append(tmp_path / "tb_logs" / "run" / version / "checkpoints" / f"{name}.ckpt")
        paths[-1].parent.mkdir(parents=True, exist_ok=True)
        paths[-1].touch()
    assert find_lightning_pose_checkpoint(tmp_path) == paths[expected]


def test_a_folder_is_recognised(tmp_path):
    assert not is_lightning_pose_model_dir(tmp_path)
    (tmp_path / "config.yaml").touch()
    (tmp_path / "tb_logs").mkdir()
    assert is_lightning_pose_model_dir(tmp_path)
    with pytest.raises(ConversionError, match="no checkpoint"):
        find_lightning_pose_checkpoint(tmp_path)
    (tmp_path / "manifest.json").touch()
    assert not is_lightning_pose_model_dir(tmp_path)
