"""Reading the files of a sweep: bounded, UTF-8, and only from the folder tree the sweep lives in."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from lshexp.config.nodes import Mark, Node, Problems

MAX_BYTES = 2**20


@dataclass(frozen=True)
class Source:
    """A file of the sweep. `shown` is its name in messages, `path` its resolved place."""

    shown: str
    path: Path


def top_source(path: Path) -> Source:
    """Return the sweep file itself, shown as it was given."""
    return Source(str(path), path.resolve())


def tree_of(top: Source) -> Path:
    """Return the folder that everything the sweep refers to must lie in.

    It is the parent of the sweep's folder, so that experiments/a.yaml may refer to experiments/base/b.yaml
    and ../shared/c.csv, and a file from a stranger cannot reach further.
    """
    return top.path.parent.parent


def refer(reference: Node, frm: Source, tree: Path, problems: Problems) -> Source | None:
    """Resolve a file name written in `frm`; record a problem and return None when it may not be read."""
    name = reference.value
    if not isinstance(name, str) or not name:
        problems.at(reference, "a file name is wanted here")
        return None
    if Path(name).is_absolute():
        problems.at(reference, f"'{name}' is absolute; write it relative to this file")
        return None
    try:
        path = (frm.path.parent / name).resolve()
    except (OSError, RuntimeError) as error:  # a loop of symbolic links, a name that is too long
        problems.at(reference, f"cannot read '{name}': {error}")
        return None
    if not path.is_relative_to(tree):
        problems.at(reference, f"'{name}' lies outside the sweep's folder tree; copy it beside the sweep")
        return None
    return Source(os.path.normpath(Path(frm.shown).parent / name), path)


def read_text(source: Source, problems: Problems, asked_by: Node | None = None) -> str | None:
    """Return the text of a file, or record why it cannot be had and return None.

    The problem is placed at `asked_by`, the value that names the file; without one, at the file.
    """
    where, mark = (asked_by.where, asked_by.mark) if asked_by else ((), Mark(source.shown))
    named = f"'{source.shown}' " if asked_by else ""
    try:
        if source.path.exists() and not source.path.is_file():  # opening a pipe could wait for ever
            problems.add(where, mark, f"{named}is not a regular file")
            return None
        with source.path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        problems.add(where, mark, f"{named}cannot be read: {reason[0].lower()}{reason[1:]}")
        return None
    if len(data) > MAX_BYTES:
        problems.add(where, mark, f"{named}is larger than {MAX_BYTES:,} bytes")
        return None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        problems.add((), Mark(source.shown, line, column), "not UTF-8 text; save the file as UTF-8")
        return None
