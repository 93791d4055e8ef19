"""Import the libraries of a tracker without those of its training, for commands that only predict.

Of what ``timm`` and ``pytorch_lightning`` import, more than half of the time goes into libraries
that no prediction calls: the compiler behind ``torch.compile``, all metrics of ``torchmetrics``,
matplotlib, torchvision, the client of a model hub. `import_quickly` postpones those until somebody
uses them:

- While the two are imported, and only then, stand-ins take the place of the modules in
  `POSTPONED`. Each name that is taken from one is a `Postponed` class. It imports the true module
  and passes on when it is called, subclassed or asked for an attribute, and it knows, without
  importing it, that nothing is an instance of a class that was never loaded.
- Of ``timm.data``, which draws in torchvision's datasets, the models take nothing but numbers; its
  stand-in has those of the file that defines them.
- ``torchmetrics``, whose class ``Metric`` Lightning's own results derive from, is no stand-in but
  the true package (`LazyPackage`): the names that Lightning takes come from the submodules that
  define them, and anything else runs the package's ``__init__`` first, as it would have been.

Afterwards the stand-ins are gone, so that ``import torch._dynamo``, ``torch.compile`` and training
work as ever. Anything of a postponed module that is not listed here imports it there and then: a
new release of a library can make the command slower, but not wrong.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import logging
import runpy
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lp_pipeline.cli.stand_ins import LazyPackage, PathOnceNeeded, StandIn, load

LIBRARIES = ("timm", "pytorch_lightning")
"""What is imported quickly."""

POSTPONED: Mapping[str, tuple[str, ...]] = {
    "huggingface_hub.file_download": ("hf_hub_download",),
    "huggingface_hub.hf_api": ("HfApi", "model_info"),
    "torch._dynamo": ("OptimizedModule",),
    "torch._dynamo.utils": ("is_compile_supported",),
    "torch.utils.flop_counter": ("FlopCounterMode",),
    "torchvision.models.feature_extraction": ("create_feature_extractor", "get_graph_node_names"),
    "torchvision.ops.misc": ("FrozenBatchNorm2d",),
    "torchmetrics.utilities.plot": ("_AX_TYPE", "_PLOT_OUT_TYPE", "plot_single_or_multi_val"),
}
"""Modules with the names that the libraries take from them and do not use when imported."""

NUMBERS = ("timm.data", "constants.py")
"""A package from which the libraries take what one of its files defines."""

COMPILER = "torch._dynamo"

METRICS = "torchmetrics"

EARLY = (
    ("torchmetrics.utilities", ()),  # first, or the next two would import each other
    ("torchmetrics.metric", ("Metric",)),
    ("torchmetrics.collections", ("MetricCollection",)),
)
"""Submodules of ``torchmetrics``, and the names that its ``__init__`` takes from them."""


def import_quickly() -> None:
    """Import `LIBRARIES` without what they need for training only.

    Where that goes wrong, whoever needs them next imports them as usual and gets the true error.
    """
    with suppress(Exception), postponed():
        for name in LIBRARIES:
            importlib.import_module(name)


@contextmanager
def postponed() -> Iterator[None]:
    """Postpone what is imported within, as this module's docstring says.

    Modules that are loaded already stay as they are.
    """
    stand_ins = [*_of_functions_and_classes(), *_of_numbers()]
    sys.modules.update({stand_in.__name__: stand_in for stand_in in stand_ins})
    if METRICS not in sys.modules and importlib.util.find_spec(METRICS) is not None:
        _place_lazy_metrics()
    try:
        yield
    finally:
        for stand_in in stand_ins:
            stand_in.withdraw()


def _of_functions_and_classes() -> Iterator[StandIn]:
    """The stand-ins for the modules of `POSTPONED` that are to come."""
    for name, known in POSTPONED.items():
        if name in sys.modules or importlib.util.find_spec(name.split(".")[0]) is None:
            continue
        if name == COMPILER:
            yield StandIn(name, postponed=known, package=True, disable=disable)
        else:
            yield StandIn(name, postponed=known)


def _of_numbers() -> Iterator[StandIn]:
    """The stand-in for the package of `NUMBERS`; none where it has no such file."""
    package, name = NUMBERS
    library, *inner = package.split(".")
    spec = importlib.util.find_spec(library)
    if package in sys.modules or spec is None or not spec.submodule_search_locations:
        return
    file = Path(spec.submodule_search_locations[0], *inner, name)
    if file.is_file():
        defined = runpy.run_path(str(file)).items()
        numbers = {known: value for known, value in defined if known.isupper()}
        yield StandIn(package, package=True, **numbers)


def disable(
    function: Callable[..., Any] | None = None, recursive: bool = True, **options: Any
) -> Callable[..., Any]:
    """``torch._dynamo.disable``, which acts once there is a compiler that could be disabled."""
    if function is None:
        return functools.partial(disable, recursive=recursive, **options)
    inner, made = function, list[Callable[..., Any]]()

    @functools.wraps(inner)
    def outer(*values: Any, **more: Any) -> Any:
        if COMPILER not in sys.modules:
            return inner(*values, **more)
        if not made:
            made.append(load(COMPILER).disable(inner, recursive, **options))
        return made[0](*values, **more)

    outer._torchdynamo_disable = True  # type: ignore[attr-defined]  # how torch itself marks them
    return outer


def _place_lazy_metrics() -> None:
    """Put ``torchmetrics`` among the imported modules with its early names, and no more.

    Where that fails, as it may with another release of it, it is left to be imported as usual.
    """
    spec = importlib.util.find_spec(METRICS)
    assert spec is not None
    module = sys.modules[METRICS] = importlib.util.module_from_spec(spec)
    module._logger = logging.getLogger(METRICS)  # type: ignore[attr-defined]
    try:
        for source, names in EARLY:
            made = importlib.import_module(source)
            vars(module).update({name: getattr(made, name) for name in names})
    except Exception:  # whatever another release does
        for name in [name for name in sys.modules if f"{name}.".startswith(f"{METRICS}.")]:
            del sys.modules[name]
        return
    module.__class__ = LazyPackage
    assert isinstance(module, LazyPackage)
    module.__path__ = PathOnceNeeded(module.run)  # type: ignore[assignment]
