"""Tables and commands, as every section shows them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pandas as pd

from lshexp.analysis.presentation import HEADINGS
from lshexp.analysis.presentation import cell as presented
from lshexp.analysis.report._html import Html, element, join, text
from lshexp.analysis.statistics import kind_of

MISSING = "-"
VERDICTS: dict[str, str] = {
    word: word
    for word in ("better", "within", "worse", "undetermined", "supported", "refuted", "failed", "diverged")
} | {"not settled": "undetermined", "too few seeds": "undetermined"}  # classes of the style sheet


class Group(NamedTuple):
    """Rows that belong together; without a title, they follow without a heading."""

    title: str
    rows: Sequence[Sequence[object]]


def table(
    caption: str,
    heads: Sequence[str],
    rows: Iterable[Sequence[object]],
    sortable: bool = True,
) -> Html:
    """A table in a box of its own that scrolls; the first column names the row."""
    return grouped(caption, heads, [Group("", list(rows))], sortable)


def grouped(caption: str, heads: Sequence[str], groups: Sequence[Group], sortable: bool = True) -> Html:
    """A table whose rows are in groups, each under its title."""
    rows = [row for group in groups for row in group.rows]
    numbers = [i > 0 and all(_is_number(row[i]) for row in rows) for i in range(len(heads))]
    head = element("tr", *(_head(*pair) for pair in zip(heads, numbers, strict=True)))
    bodies = [
        element(
            "tbody",
            _title(group.title, len(heads)) if group.title else Html(),
            *(element("tr", *map(_cell, range(len(row)), row, numbers)) for row in group.rows),
        )
        for group in groups
    ]
    made = element(
        "table",
        element("caption", caption),
        element("thead", head),
        *bodies,
        class_="sortable" if sortable else None,
    )
    return element("div", made, class_="scroll", role="group", aria_label=caption, tabindex=0) + Html("\n")


def verdict(word: str) -> Html:
    """A verdict or status: the word itself, in its colour."""
    colour = VERDICTS.get(kind_of(word))
    return element("span", word, class_=f"verdict {colour}" if colour else None)


def cell(name: str, value: object) -> str:
    """A value of a column as text; yes and no for what is true or false."""
    if pd.api.types.is_bool(value):
        return "yes" if value else "no"
    return presented(name, value, MISSING)


def commands(*lines: str) -> Html:
    """Commands to be typed in a terminal."""
    return element("pre", element("code", "\n".join(lines)), tabindex=0)


def paragraph(*content: object, quiet: bool = False) -> Html:
    """A paragraph of text."""
    return element("p", *content, class_="quiet" if quiet else None)


def notes(sentences: Iterable[str]) -> Html:
    """A list of sentences, nothing where there are none."""
    items = [element("li", sentence) for sentence in sentences]
    return element("ul", *items) if items else Html()


def _head(name: str, number: bool) -> Html:
    """A heading, column names in words; `Html` stays as it is."""
    heading = name if isinstance(name, Html) else HEADINGS.get(name, name).replace("_", " ")
    return element("th", heading, scope="col", class_="number" if number else None)


def _title(title: str, columns: int) -> Html:
    return element("tr", element("th", title, scope="rowgroup", colspan=columns))


def _cell(column: int, value: object, number: bool) -> Html:
    if column == 0:
        return element("th", value, scope="row")
    if number:
        return element("td", value, class_="number")
    long = len(str(value)) > 40 and not isinstance(value, Html)
    return element("td", value, class_="long" if long else None)


def _is_number(value: object) -> bool:
    """Whether a cell is a number as text, or the dash that stands for none."""
    if isinstance(value, Html):
        return False
    try:
        float(str(value))
    except ValueError:
        return str(value) == MISSING
    return True


def described(pairs: Iterable[tuple[str, object]]) -> Html:
    """A list of names and values."""
    return element("dl", join(element("dt", name) + element("dd", text(value)) for name, value in pairs))
