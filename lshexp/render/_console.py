"""The two consoles, and tables on stdout in the form its reader wants."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Collection, Iterable

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lshexp.analysis.presentation import HEADINGS

PIPED_WIDTH = 80  # columns of what is not written to a terminal


def out() -> Console:
    return Console(highlight=False, soft_wrap=not sys.stdout.isatty())


def err() -> Console:
    return Console(stderr=True, highlight=False, soft_wrap=True)


def say(line: str) -> None:
    """Print a line on stderr; within a terminal's width, where what follows its first line is indented."""
    console = err()
    if console.is_terminal:
        indent = " " * (len(line) - len(line.lstrip()) + 2)
        line = _wrapped(line, console.width, indent)
    console.print(line, markup=False)


def span(seconds: float) -> str:
    """A span of time for people: `40 s`, `12 min`, `3.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def clock(seconds: float | None) -> str:
    """A span of time as a clock shows it: `0:40`, `12:05`, `3:30:00`; `--:--` as long as it is not known."""
    if seconds is None:
        return "--:--"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def print_table(names: list[str], rows: list[list[str]], title: str | None = None, text: int = 1) -> None:
    """Print rows; the first `text` columns are words, the others numbers. Plain, aligned text when piped."""
    if not sys.stdout.isatty():
        widths = [max(len(row[i]) for row in [names, *rows]) for i in range(len(names))]
        if title:
            sys.stdout.write(title + "\n")
        for row in [names, *rows]:
            cells = [
                cell.ljust(width) if i < text else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            ]
            sys.stdout.write("  ".join(cells).rstrip() + "\n")
        sys.stdout.write("\n")
        return
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for i, name in enumerate(names):
        # a narrow terminal breaks a heading between its words, never a name in the middle
        heading = HEADINGS.get(name, name).replace("_", " ")
        table.add_column(heading, justify="left" if i < text else "right", no_wrap=i == 0, overflow="fold")
    for row in rows:
        table.add_row(*row)
    out().print(table, markup=False)


def print_narrow(
    title: str,
    heads: list[str],
    rows: list[list[str]],
    text: Collection[int] = (0,),
    below: Iterable[str] = (),
) -> None:
    """Print a table within the terminal's width, within 80 columns when piped; sentences `below` it are
    indented.

    Columns in `text` are words, aligned left; the first of them is broken between words where it must be, all
    others are numbers or as short as such.
    """
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold", show_edge=False)
    for i, head in enumerate(heads):
        table.add_column(head, justify="left" if i in text else "right", no_wrap=i > 0, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console = out() if sys.stdout.isatty() else Console(highlight=False, width=PIPED_WIDTH)
    with console.capture() as captured:
        console.print(Text(title, style="bold"))
        console.print(table)
        for line in below:
            console.print(Padding(Text(line), (0, 0, 0, 2)))
    lines = [line.rstrip() for line in captured.get().split("\n")]
    sys.stdout.write("\n".join(lines).rstrip("\n") + "\n\n")


def print_lines(lines: Iterable[str], indent: str = "  ") -> None:
    """Print sentences within the terminal's width, within 80 columns when piped; later lines are indented."""
    width = shutil.get_terminal_size((PIPED_WIDTH, 24)).columns if sys.stdout.isatty() else PIPED_WIDTH
    for line in lines:
        sys.stdout.write(_wrapped(line, width, indent) + "\n")


def _wrapped(line: str, width: int, indent: str) -> str:
    """A line broken between words, a path or an option never; what follows the first part is indented."""
    whole = line.replace(" %", "\N{NO-BREAK SPACE}%")  # a number stays beside its sign
    parts = textwrap.fill(
        whole, width, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
    )
    return parts.replace("\N{NO-BREAK SPACE}", " ")


def print_markdown(
    title: str,
    names: list[str],
    rows: list[list[str]],
    text: Collection[int] = (0,),
    below: Iterable[str] = (),
) -> None:
    """Print a table in Markdown; columns in `text` are words. Nothing in a cell can end the cell."""
    rules = ["---" if i in text else "---:" for i in range(len(names))]
    lines = [names, rules, *rows]
    tabled = [f"| {' | '.join(_in_markdown(cell) for cell in line)} |" for line in lines]
    said = "".join(f"{_in_markdown(line)}\n\n" for line in below)
    sys.stdout.write(f"**{_in_markdown(title)}**\n\n" + "\n".join(tabled) + "\n\n" + said)


def _in_markdown(cell: str) -> str:
    """A cell whose bars and line breaks do not end it."""
    return " ".join(cell.splitlines()).replace("|", "\\|")
