"""Import the libraries of a tracker without those of its training, for commands that only predict.

Of what ``timm`` and ``pytorch_lightning`` import, more than half of the time goes into libraries
that no prediction calls: the compiler behind ``torch.compile``, all metrics of ``torchmetrics``,
matplotlib. `import_quickly` postpones those until somebody uses them:

- While the two are imported, and only then, stand-ins take the place of the modules in
  `POSTPONED`. Each name that is taken from one is a `Postponed` class. It imports the true module
  and passes on when it is called, subclassed or asked for an attribute, and it knows, without
  importing it, that nothing is an instance of a class that was never loaded.
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
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import ModuleType
from typing import Any

LIBRARIES = ("timm", "pytorch_lightning")
"""What is imported quickly."""

POSTPONED: Mapping[str, tuple[str, ...]] = {
    "torch._dynamo": ("OptimizedModule",),
    "torch._dynamo.utils": ("is_compile_supported",),
    "torch.utils.flop_counter": ("FlopCounterMode",),
    "torchmetrics.utilities.plot": ("_AX_TYPE", "_PLOT_OUT_TYPE", "plot_single_or_multi_val"),
}
"""Modules with the names that the libraries take from them and do not use when imported."""

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
    stand_ins = {name: StandIn(name) for name in POSTPONED if name not in sys.modules}
    sys.modules.update(stand_ins)
    if METRICS not in sys.modules and importlib.util.find_spec(METRICS) is not None:
        _place_lazy_metrics()
    try:
        yield
    finally:
        for stand_in in stand_ins.values():
            stand_in.withdraw()


class Postponed(type):
    """The class of names whose module is not loaded; each is a class that stands for an object."""

    __module_name__: str

    def __new__(
        cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any
    ) -> type:
        """A stand-in; or, where one is subclassed, a subclass of what it stands for."""
        if not bases:
            return super().__new__(cls, name, bases, namespace)
        true = tuple(_true(base) if isinstance(base, Postponed) else base for base in bases)
        made: type = type(true[0])(name, true, namespace, **options)
        return made

    def __call__(cls, *values: Any, **options: Any) -> Any:
        """Call the object."""
        return _true(cls)(*values, **options)

    def __instancecheck__(cls, instance: object) -> bool:
        """Whether something is an instance, which it cannot be of a class that is not loaded."""
        return cls.__module_name__ in sys.modules and isinstance(instance, _true(cls))

    def __subclasscheck__(cls, subclass: type) -> bool:
        """Whether something is a subclass, likewise."""
        if subclass is cls:
            return True
        return cls.__module_name__ in sys.modules and issubclass(subclass, _true(cls))

    def __getattr__(cls, name: str) -> Any:
        """An attribute of the object."""
        return getattr(_true(cls), name)


def _true(postponed: Postponed) -> Any:
    """The object that a name stands for, loaded."""
    return getattr(_load(postponed.__module_name__), postponed.__name__)


def _load(name: str) -> ModuleType:
    """The true module, although its stand-in may still be in place."""
    stand_in = sys.modules.get(name)
    if isinstance(stand_in, StandIn):
        stand_in.withdraw()
    return importlib.import_module(name)


class StandIn(ModuleType):
    """Takes the place of a module among the imported ones, for a while.

    Args:
        name: The module.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name, f"Stands for {name} while it is not loaded.")
        for known in POSTPONED[name]:
            members = {"__module__": name, "__module_name__": name}
            setattr(self, known, Postponed(known, (), members))
        if name == COMPILER:
            self.disable = disable
            self.__path__ = PathOnceNeeded(  # type: ignore[assignment]
                functools.partial(_load, name)
            )

    def __getattr__(self, name: str) -> Any:
        """What is not listed: of the true module, which is loaded now."""
        if name.startswith("__"):  # Python's import system looks whether they are there
            raise AttributeError(name)
        return getattr(_load(self.__name__), name)

    def withdraw(self) -> None:
        """Leave the place to the true module."""
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]


class PathOnceNeeded:
    """Where the submodules of a package are, for when one is imported that is not there yet.

    Args:
        load: Loads the package and returns it.
    """

    def __init__(self, load: Callable[[], ModuleType]) -> None:
        self._load = load

    def __iter__(self) -> Iterator[str]:
        """The package's folders."""
        return iter(self._load().__path__)


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
            made.append(_load(COMPILER).disable(inner, recursive, **options))
        return made[0](*values, **more)

    outer._torchdynamo_disable = True  # type: ignore[attr-defined]  # how torch itself marks them
    return outer


class LazyPackage(ModuleType):
    """A package whose ``__init__`` runs when something is asked for that it does not have yet."""

    def __getattr__(self, name: str) -> Any:
        """A name that the package's ``__init__`` makes."""
        if name.startswith("__"):  # Python's import system looks whether they are there
            raise AttributeError(name)
        return getattr(self.run(), name)

    def run(self) -> ModuleType:
        """Become an ordinary package, and return it."""
        spec = self.__spec__
        assert spec is not None
        assert spec.loader is not None
        self.__class__ = ModuleType  # type: ignore[assignment]
        self.__path__ = list(spec.submodule_search_locations or ())
        spec.loader.exec_module(self)
        return self


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
