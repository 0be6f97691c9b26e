"""One registry for methods, hash families, datasets, tasks and energy models.

A plug-in is one file in its kind's folder with one decorated class:

    @register("method", "dropout")
    class Dropout(Method):
        '''Keep each node with a fixed probability.'''
        some_option: int = Field(default=3, ge=1)

The class's fields are its YAML options, their defaults the defaults, and the first line of its
docstring is what `lshexp list` shows. Files whose name starts with an underscore hold shared code and
are not searched for plug-ins.

Plug-ins from outside the package (`lshexp.outside`) are found the same way; `origin` tells their version.

Each kind is a typed object of this module: `registry.methods.build("dropout")` returns a `Method`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, cast

from pydantic import BaseModel, ConfigDict

from lshexp import outside
from lshexp.errors import ConfigError, Location, LshexpError, Problem
from lshexp.validation import suggest, validate

if TYPE_CHECKING:  # the packages of the plug-ins stand above this module
    from lshexp.data.base import Dataset
    from lshexp.energy.base import EnergyModel
    from lshexp.hashing.base import HashFamily
    from lshexp.methods.base import Method
    from lshexp.tasks.base import RunTask


class Plugin(BaseModel):
    """Options of one registered entry: immutable, strictly typed, unknown keys refused."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    name: ClassVar[str]
    kind: ClassVar[str]

    @classmethod
    def summary(cls) -> str:
        """First line of the docstring, as shown by `lshexp list`."""
        return (cls.__doc__ or "").strip().partition("\n")[0]

    def recorded(self) -> dict[str, Any]:
        """All options as they are recorded, and as a run's id depends on them."""
        return self.model_dump(mode="json")


T = TypeVar("T", bound=Plugin)
P = TypeVar("P", bound=type[Plugin])


class Kind(Generic[T]):
    """The registered plug-ins of one kind, which all derive from one base class `T`."""

    def __init__(self, name: str, package: str, base: str) -> None:
        self.name = name
        self._package = package
        self._base = base  # name of `T` in the package's module `base`
        self._entries: dict[str, type[Plugin]] = {}
        self._unavailable: dict[str, str] | None = None  # None until the package has been searched

    def discover(self) -> dict[str, type[T]]:
        """Import every module of the package, in sorted order, and return name -> class.

        A module that fails to import is remembered as unavailable with its reason, and is an error only
        when a sweep asks for it by name.
        """
        if self._unavailable is None:
            failures: dict[str, str] = {}
            package = importlib.import_module(self._package)
            for module in sorted(info.name for info in pkgutil.iter_modules(package.__path__)):
                if module.startswith("_"):
                    continue
                try:
                    importlib.import_module(f"{self._package}.{module}")
                except Exception as error:  # a broken plug-in must not take the others down
                    failures[module] = f"{type(error).__name__}: {error}"
            self._unavailable = failures
        load_outside()
        return {name: self._checked(name) for name in sorted(self._entries)}

    def unavailable(self) -> dict[str, str]:
        """Modules of the package that could not be imported, with the reason."""
        self.discover()
        return {**_outside_failures, **(self._unavailable or {})}

    def lookup(self, name: object, where: Location = ()) -> type[T]:
        """Return the class registered as `name`.

        Raises ConfigError, with `where` as its place, when there is none.
        """
        known = self.discover()
        if isinstance(name, str) and name in known:
            return known[name]
        broken = self.unavailable()
        if isinstance(name, str) and name in broken:
            message = f"{self.name} '{name}' cannot be loaded: {broken[name]}"
            raise ConfigError([Problem(where, message)])
        raise ConfigError([Problem(where, f"unknown {self.name} '{name}'{suggest(str(name), known)}")])

    def build(self, name: object, options: Mapping[str, Any] | None = None, where: Location = ()) -> T:
        """Construct the plug-in `name` from its YAML options.

        Raises ConfigError listing every unknown option and every value out of range, each placed under
        `where`.
        """
        return validate(self.lookup(name, where), options or {}, where)

    def add(self, name: str, cls: type[Plugin]) -> None:
        """Enter a class under a name. Raises LshexpError when another module has taken the name."""
        known = self._entries.get(name)
        if known is not None and known.__module__ != cls.__module__:
            raise LshexpError(f"two {self.name}s are named '{name}': {known.__module__} and {cls.__module__}")
        cls.name, cls.kind = name, self.name
        self._entries[name] = cls

    @contextmanager
    def only(
        self, entries: Mapping[str, type[Plugin]], unavailable: Mapping[str, str] | None = None
    ) -> Iterator[None]:
        """Within the context, these entries and unavailable modules take the place of all others."""
        before = self._entries, self._unavailable
        self._entries, self._unavailable = {}, dict(unavailable or {})
        try:
            for name, cls in entries.items():
                self.add(name, cls)
            yield
        finally:
            self._entries, self._unavailable = before

    def _checked(self, name: str) -> type[T]:
        cls = self._entries[name]
        base = getattr(importlib.import_module(f"{self._package}.base"), self._base)
        if not issubclass(cls, base):
            raise LshexpError(f"{self.name} '{name}' ({cls.__module__}) must derive from {self._base}")
        return cast("type[T]", cls)


methods: Kind[Method] = Kind("method", "lshexp.methods", "Method")
hashes: Kind[HashFamily] = Kind("hash", "lshexp.hashing", "HashFamily")
datasets: Kind[Dataset] = Kind("dataset", "lshexp.data", "Dataset")
tasks: Kind[RunTask] = Kind("task", "lshexp.tasks", "RunTask")
energy_models: Kind[EnergyModel] = Kind("energy", "lshexp.energy", "EnergyModel")


def variants() -> tuple[str, ...]:
    """Options, each once, by whose value readers know the variants of a method, as by its preset."""
    return tuple(dict.fromkeys(cls.variant for cls in methods.discover().values() if cls.variant))


KINDS: Mapping[str, Kind[Any]] = {
    kind.name: kind for kind in (methods, hashes, datasets, tasks, energy_models)
}


_outside: dict[str, str] = {}  # origin of each module from outside that has been loaded
_outside_failures: dict[str, str] = {}
_entry_points_loaded = False


def load_outside() -> None:
    """Load what has been added from outside the package since this was last called. Raises ConfigError."""
    global _entry_points_loaded
    if not _entry_points_loaded:
        _entry_points_loaded = True
        origins, failures = outside.load_entry_points()
        _outside.update(origins)
        _outside_failures.update(failures)
    _outside.update(outside.load_files(_outside.__contains__))


def origin(kind: str, name: object) -> str | None:
    """Version or content digest of a plug-in from outside, on which its numbers hang; None for our own."""
    load_outside()
    cls = KINDS[kind].discover().get(str(name)) if _outside else None
    if cls is None:
        return None
    module = cls.__module__
    homes = [home for home in _outside if module == home or module.startswith(f"{home}.")]
    return _outside[max(homes, key=len)] if homes else None


def register(kind: str, name: str) -> Callable[[P], P]:
    """Enter a `Plugin` class under `kind` and `name`; a name taken twice is an error of the programmer."""

    def enter(cls: P) -> P:
        KINDS[kind].add(name, cls)
        return cls

    return enter


@contextmanager
def temporarily(**entries: Mapping[str, type[Plugin]]) -> Iterator[None]:
    """Register plug-ins for as long as the context lasts; a kind's entries are given as a map of names.

    `with temporarily(dataset={"toy": Toy}): ...` A name that is taken already means the new class meanwhile.
    """
    added = [(KINDS[kind], name, cls) for kind, classes in entries.items() for name, cls in classes.items()]
    before = [(kind, name, kind.discover().get(name)) for kind, name, _ in added]
    try:
        for kind, name, cls in added:
            kind._entries.pop(name, None)
            kind.add(name, cls)
        yield
    finally:
        # entry by entry: what was discovered within the context stays
        for kind, name, old in before:
            kind._entries.pop(name, None)
            if old is not None:
                kind.add(name, old)
