"""Which competitors there are, and which of them are wanted and can run here."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from pathlib import Path
from typing import cast

from lshexp.bench._task import Family
from lshexp.errors import ConfigError, Problem
from lshexp.validation import suggest

Say = Callable[[str], None]


def families() -> dict[str, Family]:
    """All competitors' modules by name."""
    folder = [str(Path(__file__).parent)]
    names = sorted(module.name for module in pkgutil.iter_modules(folder) if not module.name.startswith("_"))
    return {name: cast(Family, importlib.import_module(f"{__package__}.{name}")) for name in names}


def wanted(only: tuple[str, ...], say: Say) -> list[tuple[Family, tuple[str, ...]]]:
    """The families that can run here, with the names wanted of each; none in `only` means all.

    A name that a competitor and a family share is the competitor's. `say` is told what is left out and why.
    Raises ConfigError for a name that no competitor or family has.
    """
    known = families()
    every = competitors()
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
            found.append((family, names))
    return found


def competitors() -> list[str]:
    """Names of all competitors, whether or not they can run here."""
    return [name for family in families().values() for name in family.NAMES]
