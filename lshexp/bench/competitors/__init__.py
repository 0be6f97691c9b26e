"""The competitors: each module of this package is a family of them, as `task.Family` describes it."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from typing import cast

from lshexp.bench.task import Family, Say
from lshexp.errors import ConfigError, Problem
from lshexp.validation import suggest

Chosen = list[tuple[str, tuple[str, ...]]]  # a family's name, and the names of its trainees that are wanted


NETWORKS, OUTPUTS = "competitors", "outputs"  # packages of families: whole networks, and output layers


def families(package: str = NETWORKS) -> dict[str, Family]:
    """All families of a package by name."""
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
