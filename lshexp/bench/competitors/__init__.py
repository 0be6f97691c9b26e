"""The competitors: each module of this package is a family of them, as `task.Family` describes it.

One from outside is a class with the same names, under `@competitor("name")` in a plug-in.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, cast

from lshexp import registry
from lshexp.bench.task import Family, Say
from lshexp.errors import ConfigError, LshexpError, Problem
from lshexp.validation import suggest

F = TypeVar("F")
Chosen = list[tuple[str, tuple[str, ...]]]  # a family's name, and the names of its trainees that are wanted
NETWORKS, OUTPUTS = "competitors", "outputs"  # packages of families: whole networks, and output layers
_outside: dict[str, Family] = {}


def competitor(name: str) -> Callable[[type[F]], type[F]]:
    """Enter a class without parameters as a family of competitors, `task.Family`, from outside this package.

    Raises LshexpError for a name that is taken, by a family or by one of its trainees.
    """

    def enter(cls: type[F]) -> type[F]:
        family = cast(Family, cls())
        for other, known in {**_own(NETWORKS), **_outside}.items():
            taken = {other, *known.NAMES} & {name, *family.NAMES}
            if taken and not (other == name and type(known).__module__ == cls.__module__):
                raise LshexpError(
                    f"two competitors are named '{min(taken)}': see {other} and {cls.__module__}"
                )
        _outside[name] = family
        return cls

    return enter


def families(package: str = NETWORKS) -> dict[str, Family]:
    """All families of a package by name; of whole networks also those of plug-ins."""
    registry.load_outside()
    return {**_own(package), **(dict(sorted(_outside.items())) if package == NETWORKS else {})}


def family_of(name: str) -> Family:
    """The family of whole networks of this name. Raises ConfigError when there is none."""
    known = families()
    if name not in known:
        raise ConfigError([Problem((), f"no competitor '{name}'{suggest(name, known)}")])
    return known[name]


def _own(package: str) -> dict[str, Family]:
    folder = [str(Path(__file__).parent.parent / package)]
    names = sorted(module.name for module in pkgutil.iter_modules(folder))
    return {name: cast(Family, importlib.import_module(f"lshexp.bench.{package}.{name}")) for name in names}


def trainee_names(package: str = NETWORKS) -> list[str]:
    """Names of all trainees, whether or not they can run here."""
    return [name for family in families(package).values() for name in family.NAMES]


def wanted(only: tuple[str, ...], say: Say, package: str = NETWORKS) -> Chosen:
    """The families that can run here, with the names wanted of each; none in `only` means all.

    A name that a trainee and a family share is the trainee's. `say` is told what is left out and why.
    Raises ConfigError for a name that no trainee or family has.
    """
    known = families(package)
    every = trainee_names(package)
    unknown = [name for name in only if name not in every and name not in known]
    if unknown:
        hints = [f"no competitor '{name}'{suggest(name, [*known, *every])}" for name in unknown]
        raise ConfigError([Problem(("only",), hint) for hint in hints])
    found = []
    for key, family in known.items():
        whole = not only or (key in only and key not in every)
        names = tuple(name for name in family.NAMES if whole or name in only)
        reason = family.missing() if names else None
        if reason:
            say(f"left out: {', '.join(names)}: {reason}")
        elif names:
            found.append((key, names))
    return found


def check_reference(name: str, package: str = NETWORKS) -> None:
    """Raise ConfigError unless `name` is a trainee's."""
    if name not in trainee_names(package):
        hint = f"no competitor '{name}'{suggest(name, trainee_names(package))}"
        raise ConfigError([Problem(("reference",), hint)])
