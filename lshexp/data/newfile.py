"""A user's file that is read as it is, to be predicted: no split, no scaling, labels only if it has any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lshexp import registry
from lshexp.arrays import CSR, Inputs, IntArray
from lshexp.data._cells import Labels
from lshexp.data._own import OwnData
from lshexp.data.reading import UNPACKERS
from lshexp.errors import ConfigError, DataError


class NewFile(NamedTuple):
    """Examples [n, features] in the order of the file, and its labels as they are written, if it has any."""

    x: Inputs
    labels: Labels | None


def read_new_file(path: Path, features: int, dataset: str, options: Mapping[str, Any]) -> NewFile:
    """Read a file by the ending of its name.

    `options` are those of the `dataset` the network was trained on; they hold where the file is of the same
    kind. Raises ConfigError for an ending that no dataset reads, DataError for a file that cannot be read.
    """
    reader = _reader(path, dataset, options)
    found = reader.unlabelled(path, features)
    if found is not None:
        return NewFile(found, None)
    table = reader.table(path, "test")
    width = table.x.shape[1]
    x = reader.widened(path, table.x, features) if width < features else table.x
    if isinstance(table.labels, CSR):
        raise DataError(f"{path}: rows with any number of labels; only the one class of a row is predicted")
    return NewFile(x, table.labels)


def classes_of(path: Path, labels: Labels, names: Sequence[str] | None) -> IntArray:
    """Return the class number of each label: its place among `names`, or the label itself without names.

    Raises DataError for a label that is no class of the network.
    """
    known = {name: number for number, name in enumerate(names or ())}
    texts = [str(label) for label in labels.tolist()]
    if not names or not set(texts) <= known.keys():
        known = {_plain_number(name): number for name, number in known.items()}
        texts = [_plain_number(text) for text in texts]
        if not names:
            known = {text: int(text) for text in set(texts) if text.isdecimal()}
    for row, text in enumerate(texts, start=1):
        if text not in known:
            raise DataError(f"{path}: row {row}: label {text[:40]} is none of the classes trained on")
    return np.array([known[text] for text in texts], dtype=np.int32)


def _plain_number(text: str) -> str:
    """A whole number without decimals, `3` for `3.0`; other text as it is."""
    try:
        value = float(text)
    except ValueError:
        return text
    return str(int(value)) if value.is_integer() else text


def _reader(path: Path, dataset: str, options: Mapping[str, Any]) -> OwnData:
    suffix = next((end for end in reversed(path.suffixes) if end not in UNPACKERS), "").lower()
    readers = {
        ending: name
        for name, cls in registry.datasets.discover().items()
        if issubclass(cls, OwnData)
        for ending in cls.suffixes
    }
    if suffix not in readers:
        raise ConfigError(
            f"{path}: files that end in '{suffix}' are not read; "
            f"{', '.join(sorted(readers))} are, packed or not"
        )
    name = readers[suffix]
    same = dict(options) if name == dataset else {}
    own = {key: value for key, value in same.items() if key not in ("path", "test_path", "scale")}
    if suffix == ".tsv" and "delimiter" not in own:
        own["delimiter"] = "\t"
    reader = registry.datasets.build(name, {**own, "path": str(path.absolute())})
    assert isinstance(reader, OwnData)  # as all of `readers` are
    return reader
