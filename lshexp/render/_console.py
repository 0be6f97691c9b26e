"""The two consoles, and tables on stdout in the form its reader wants."""

from __future__ import annotations

import sys

from rich import box
from rich.console import Console
from rich.table import Table

from lshexp.analysis.presentation import HEADINGS


def out() -> Console:
    return Console(highlight=False, soft_wrap=not sys.stdout.isatty())


def err() -> Console:
    return Console(stderr=True, highlight=False, soft_wrap=True)


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


def print_markdown(title: str, names: list[str], rows: list[list[str]]) -> None:
    lines = [f"**{title}**", "", " | ".join(names), " | ".join(["---"] + ["---:"] * (len(names) - 1))]
    lines += [" | ".join(row) for row in rows]
    tabled = [f"| {line} |" if i > 1 else line for i, line in enumerate(lines)]
    sys.stdout.write("\n".join(tabled) + "\n\n")
