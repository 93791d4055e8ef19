"""Stand-ins for modules that are loaded when something of theirs is used, not when it is named."""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable, Iterable, Iterator
from types import ModuleType
from typing import Any


class Postponed(type):
    """The class of names whose module is not loaded; each is a class that stands for an object."""

    __module_name__: str

    def __new__(
        cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any
    ) -> type:
        """A stand-in; or, where one is subclassed, a subclass of what it stands for."""
        if not bases:
            return super().__new__(cls, name, bases, namespace)
        true = tuple(true_object(base) if isinstance(base, Postponed) else base for base in bases)
        made: type = type(true[0])(name, true, namespace, **options)
        return made

    def __call__(cls, *values: Any, **options: Any) -> Any:
        """Call the object."""
        return true_object(cls)(*values, **options)

    def __instancecheck__(cls, instance: object) -> bool:
        """Whether something is an instance, which it cannot be of a class that is not loaded."""
        return cls.__module_name__ in sys.modules and isinstance(instance, true_object(cls))

    def __subclasscheck__(cls, subclass: type) -> bool:
        """Whether something is a subclass, likewise."""
        if subclass is cls:
            return True
        return cls.__module_name__ in sys.modules and issubclass(subclass, true_object(cls))

    def __getattr__(cls, name: str) -> Any:
        """An attribute of the object."""
        return getattr(true_object(cls), name)


def true_object(postponed: Postponed) -> Any:
    """The object that a name stands for, loaded."""
    return getattr(load(postponed.__module_name__), postponed.__name__)


def load(name: str) -> ModuleType:
    """The true module, although its stand-in may still be in place."""
    stand_in = sys.modules.get(name)
    if isinstance(stand_in, StandIn):
        stand_in.withdraw()
    return importlib.import_module(name)


class StandIn(ModuleType):
    """Takes the place of a module among the imported ones, for a while.

    Args:
        name: The module.
        postponed: Names of functions and classes that can be taken without loading it.
        package: Whether it has submodules.
        has: What it has already.
    """

    def __init__(
        self, name: str, *, postponed: Iterable[str] = (), package: bool = False, **has: object
    ) -> None:
        super().__init__(name, f"Stands for {name} while it is not loaded.")
        for known in postponed:
            members = {"__module__": name, "__module_name__": name}
            setattr(self, known, Postponed(known, (), members))
        vars(self).update(has)
        if package:
            self.__path__ = PathOnceNeeded(functools.partial(load, name))  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        """What is not listed: of the true module, which is loaded now."""
        if name.startswith("__"):  # Python's import system looks whether they are there
            raise AttributeError(name)
        return getattr(load(self.__name__), name)

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
