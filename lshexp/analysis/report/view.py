"""What sections are made of, and the template that writes them: every text is escaped on its way."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from lshexp.analysis.presentation import HEADINGS
from lshexp.analysis.presentation import cell as presented

MISSING = "-"
MAX_TEXT = 1000  # characters of one piece of text; an error message may be of any length
# what HTML does not allow even when escaped: control characters but tab and line feed, and lone surrogates
_NOT_ALLOWED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


@dataclass(frozen=True)
class Verdict:
    """A verdict or status, shown in the colour of its first word, and a figure beside it."""

    words: str
    figure: str = ""

    @property
    def tone(self) -> str:
        """The class of its colour: good, bad, even or open; empty for words that have none."""
        first = self.words.partition(" ")[0].rstrip("*")
        return _TONES.get(first, "")


_TONES = {
    "better": "good", "supported": "good",
    "worse": "bad", "refuted": "bad", "failed": "bad", "diverged": "bad",
    "within": "even",
    "not": "open", "undetermined": "open", "too": "open",
}  # fmt: skip


@dataclass(frozen=True)
class Link:
    """A link within the page."""

    words: str
    anchor: str


@dataclass(frozen=True)
class Group:
    """Rows that belong together; without a title, they follow without a heading."""

    title: str
    rows: Sequence[Sequence[object]]


@dataclass(frozen=True)
class Table:
    """A table; the first column names its row."""

    caption: str
    heads: Sequence[str]
    groups: Sequence[Group]
    sortable: bool = True

    @classmethod
    def of(
        cls, caption: str, heads: Sequence[str], rows: Iterable[Sequence[object]], sortable: bool = True
    ) -> Table:
        """A table of one group."""
        return cls(caption, heads, [Group("", list(rows))], sortable)

    def head(self, name: str) -> str:
        """A column's heading, its name in words."""
        return HEADINGS.get(name, name).replace("_", " ")

    def numeric(self, column: int) -> bool:
        """Whether a column holds numbers alone, or the dash that stands for none."""
        return column > 0 and all(_is_number(row[column]) for group in self.groups for row in group.rows)


@dataclass(frozen=True)
class Picture:
    """A figure with its numbers and the command that draws it."""

    title: str
    svg: str  # a data: address
    alternative: str
    caption: str
    csv: str  # a data: address
    file_name: str
    remark: str
    numbers: Table
    command: str


@dataclass(frozen=True)
class Section:
    """A part of a sweep: sentences, tables, notes and commands, in this order."""

    title: str
    sentences: Sequence[str] = ()
    tables: Sequence[Table] = ()
    notes: Sequence[str] = ()
    commands: Sequence[str] = ()
    folded: str = ""  # what is written on the fold that hides the tables, empty where they are open


def cell(name: str, value: object) -> str:
    """A value of a column as text; yes and no for what is true or false."""
    if pd.api.types.is_bool(value):
        return "yes" if value else "no"
    return presented(name, value, MISSING)


def address(kind: str, data: bytes) -> Markup:
    """A `data:` address, which is too long to be cut and has nothing to escape."""
    return Markup(f"data:{kind};base64,{base64.b64encode(data).decode()}")


def clean(value: object) -> object:
    """Text as it may stand on a page once it is escaped: without control characters, of a bounded length."""
    if value is None or isinstance(value, Markup):
        return value
    words = str(value)
    if len(words) > MAX_TEXT:
        words = f"{words[:MAX_TEXT]}... ({len(words):,} characters)"
    return _NOT_ALLOWED.sub("\ufffd", words)


def write_page(**content: object) -> str:
    """The page; its style sheet and script are in it, and its policy names their hashes."""
    style, script = _asset("style.css"), _asset("sort.js")
    return _environment().get_template("template.html").render(
        **content, style=Markup(style), script=Markup(script),
        style_hash=_hash(style), script_hash=_hash(script)
    )  # fmt: skip


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("lshexp.analysis.report", ""), autoescape=True, finalize=clean,
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.tests["verdict"] = lambda value: isinstance(value, Verdict)
    environment.tests["link"] = lambda value: isinstance(value, Link)
    return environment


def _asset(name: str) -> str:
    return files("lshexp.analysis.report").joinpath(name).read_text(encoding="utf-8")


def _hash(content: str) -> Markup:
    return Markup("sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode())


def _is_number(value: object) -> bool:
    if isinstance(value, Verdict | Link):
        return False
    try:
        float(str(value).partition(" ±")[0])
    except ValueError:
        return str(value) == MISSING
    return True
