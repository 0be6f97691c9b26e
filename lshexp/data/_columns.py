"""What the readers of tables with named columns share: which column is the label, which are numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from lshexp.data._numbers import finite_float32
from lshexp.data._own import OwnData
from lshexp.errors import DataError
from lshexp.validation import suggest

if TYPE_CHECKING:
    import pandas as pd

CELLS = 1 << 20  # of a table, read at once


class Columns(OwnData):
    """Base of the readers of tables."""

    label: str | int = Field(
        default=-1, description="column of the label; its name, or its place from 0, or from -1 at the end"
    )

    def label_place(self, path: Path, names: Sequence[str]) -> int:
        """Return the place of the label's column among `names`. Raises DataError when there is none."""
        if isinstance(self.label, str):
            places = [place for place, name in enumerate(names) if name == self.label]
            if len(places) == 1:
                return places[0]
            if places:
                raise DataError(
                    f"{path}: {len(places)} columns are named '{self.label}'; give the label's place"
                )
            raise DataError(f"{path}: no column is named '{self.label}'{suggest(self.label, names[:50])}")
        if not -len(names) <= self.label < len(names):
            raise DataError(f"{path}: label {self.label}: there are only {len(names)} columns, from 0")
        return self.label % len(names)


def numbers(path: Path, frame: pd.DataFrame, names: Sequence[str], first_row: int) -> NDArray[np.float32]:
    """Return the frame's cells as float32[n, features]; `first_row` is the number of rows before it.

    Raises DataError for a column that is not numbers, naming the first cell that is none, and for cells that
    are empty or not finite.
    """
    import pandas as pd

    for name, (_, column) in zip(names, frame.items(), strict=True):
        if column.dtype.kind in "biuf":
            continue
        wrong = pd.to_numeric(column, errors="coerce").isna()
        row = int(wrong.to_numpy().argmax())
        cell = str(column.iloc[row])[:40]
        raise DataError(
            f"{path}: row {first_row + row + 1}, column '{name}': '{cell}' is not a number; turn such "
            "columns into numbers first, or leave them out"
        )
    return finite_float32(path, frame.to_numpy(), first_row)
