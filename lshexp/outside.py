"""Plug-ins that come from outside the package: entry points of installed packages, and files of the user.

Files are those of `--plugin FILE.py` and of the environment variable LSHEXP_PLUGINS, separated as in PATH. A
sweep file can name none: reading one executes nothing.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from lshexp.errors import ConfigError

GROUP = "lshexp.plugins"
VARIABLE = "LSHEXP_PLUGINS"
MOST_BYTES = 2**24  # of a file


def name_files(paths: list[Path]) -> None:
    """Add files to those that this process and the processes it starts load. Raises ConfigError."""
    for path in paths:
        if not path.is_file():
            raise ConfigError(f"--plugin {path}: there is no such file")
    before = [text for text in os.environ.get(VARIABLE, "").split(os.pathsep) if text]
    added = [str(path.absolute()) for path in paths]
    os.environ[VARIABLE] = os.pathsep.join(dict.fromkeys([*before, *added]))


def load_entry_points() -> tuple[dict[str, str], dict[str, str]]:
    """Import what installed packages offer; by module: origin, `package version`; and why others failed."""
    origins, failures = {}, {}
    for point in metadata.entry_points(group=GROUP):
        try:
            point.load()
        except Exception as error:  # a broken package must not take the others down
            failures[point.name] = f"{type(error).__name__}: {error}"
        else:
            package = f"{point.dist.name} {point.dist.version}" if point.dist else point.value
            origins[point.module] = package
    return origins, failures


def load_files(known: Callable[[str], bool]) -> dict[str, str]:
    """Execute the files that LSHEXP_PLUGINS names and that are not known; origin, a digest, by module.

    Raises ConfigError for a file that cannot be read or that fails.
    """
    origins = {}
    for text in os.environ.get(VARIABLE, "").split(os.pathsep):
        if not text:
            continue
        try:
            content = Path(text).read_bytes()[: MOST_BYTES + 1]
        except OSError as error:
            raise ConfigError(f"plug-in {text} cannot be read: {error.strerror}") from None
        if len(content) > MOST_BYTES:
            raise ConfigError(f"plug-in {text} is larger than {MOST_BYTES} bytes")
        digest = hashlib.sha256(content).hexdigest()[:12]
        module = f"lshexp_plugin_{digest}"
        if not known(module):
            _execute(Path(text), module)
            origins[module] = f"sha256 {digest}"
    return origins


def _execute(path: Path, name: str) -> None:
    found = importlib.util.spec_from_file_location(name, path)
    if found is None or found.loader is None:
        raise ConfigError(f"plug-in {path} is no Python file; its name ends in .py")
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module  # classes of it are looked up there, by pickle among others
    try:
        found.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        reason = " ".join(str(error).split())
        raise ConfigError(f"plug-in {path} fails: {type(error).__name__}: {reason}") from None
