"""No code of lp asks which model it has before it: what a model needs, it declares."""

import ast
from pathlib import Path

import pytest

from lp_core.registry import MODELS, load_plugin, registered

SOURCES = sorted((Path(__file__).parents[1] / "packages").glob("*/src/**/*.py"))
NAMES = {name for name, plugin in registered(MODELS).items() if plugin.distribution == "lp-models"}
KINDS = {load_plugin(MODELS, name) for name in NAMES}
CLASSES = {
    kind.__name__ for kind in KINDS | {kind.semi_supervised_class() for kind in KINDS} if kind
}
QUESTIONS = {"startswith", "endswith", "removeprefix", "removesuffix", "isinstance", "issubclass"}


def names_a_model(node):
    """Whether an expression is a model's name or class, or holds one."""
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and part.value in NAMES:
            return True
        if isinstance(part, ast.Name | ast.Attribute) and last_name(part) in CLASSES:
            return True
    return False


def last_name(node):
    """``c`` of the expression ``a.b.c``, or None."""
    return getattr(node, "attr", getattr(node, "id", None))


def is_model_type(node):
    return "model_type" in str(last_name(node))


def asks_for_a_model(node):
    """Whether this piece of code decides by a model's name or class."""
    if isinstance(node, ast.Compare):
        sides = [node.left, *node.comparators]
        equality = all(isinstance(kind, ast.Eq | ast.NotEq) for kind in node.ops)
        return any(map(names_a_model, sides)) or (equality and any(map(is_model_type, sides)))
    if isinstance(node, ast.Call) and last_name(node.func) in QUESTIONS:
        receiver = getattr(node.func, "value", node.func)
        return any(map(names_a_model, node.args)) or is_model_type(receiver)
    if isinstance(node, ast.MatchValue | ast.MatchClass):
        return names_a_model(node)
    if isinstance(node, ast.Dict):
        return any(key is not None and names_a_model(key) for key in node.keys)
    return False


@pytest.mark.parametrize(
    "package", ["core", "models", "data", "io", "analysis", "synthetic", "pipeline"]
)
def test_nothing_asks_for_a_model(package):
    files = [
        path
        for path in SOURCES
        # an adapter to another tool's checkpoints knows the names of that tool's models
        if f"lp_{package}" in path.parts and path.parent.name != "lightning_pose"
    ]
    assert files
    found = [
        f"{path.name}:{node.lineno}: {ast.unparse(node)}"
        for path in files
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if asks_for_a_model(node)
    ]
    assert not found


@pytest.mark.parametrize(
    "code",
    [
        "if name == 'heatmap_mhcrnn': pass",
        "if 'heatmap' != config.model.model_type: pass",
        "if model_type in ('heatmap', 'other'): pass",
        "if config.model.model_type == wanted: pass",
        "if model_type.startswith('heat'): pass",
        "if name.endswith('heatmap_mhcrnn'): pass",
        "if isinstance(tracker, HeatmapTracker): pass",
        "if issubclass(kind, (int, trackers.MHCRNNTracker)): pass",
        "if type(tracker) is SemiSupervisedRegressionTracker: pass",
        "match name:\n    case 'regression': pass",
        "match tracker:\n    case HeatmapTracker(): pass",
        "frames = {'heatmap': 1, 'heatmap_mhcrnn': 5}[name]",
    ],
)
def test_such_questions_are_found(code):
    assert any(asks_for_a_model(node) for node in ast.walk(ast.parse(code)))
