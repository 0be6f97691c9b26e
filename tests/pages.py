"""Write the generated parts of the documentation, from the code and the tables in results/ (`make readme`).

`results/README.md` is generated as a whole. In the other pages a generated part stands between
`<!-- begin: WHAT -->` and `<!-- end -->`; WHAT is the name of a function in `PARTS` and its arguments.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import evidence
import findings as found
from typer.testing import CliRunner

from lshexp import registry
from lshexp.cli import app
from lshexp.config.keys import described_keys
from lshexp.fields import FieldWords, describe
from lshexp.kernels.step import OPTIMIZERS
from lshexp.runs.meanings import described_columns

ROOT = Path(__file__).parent.parent
MARKED = re.compile(r"(<!-- begin: ([^>]*?) -->\n).*?(<!-- end -->)", flags=re.S)
EVIDENCE = ROOT / "results" / "README.md"


def pages() -> list[Path]:
    """The pages with generated parts."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


@functools.cache
def printed(words: str) -> str:
    """What `lshexp WORDS` prints to a pipe, called in the project's folder."""
    with contextlib.chdir(ROOT):
        done = CliRunner().invoke(app, words.split(), env={"COLUMNS": "80"})
    if done.exit_code != 0:
        raise RuntimeError(f"lshexp {words}: {done.output}")
    return done.stdout.strip("\n")


def markdown(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table."""
    lines = [list(heads), ["---"] * len(heads), *(list(map(str, row)) for row in rows)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def fenced(text: str, language: str = "") -> str:
    """A block of code."""
    return f"```{language}\n{text}\n```"


def shown(*words: str) -> str:
    """A command and what it prints, as in a terminal."""
    command = " ".join(words)
    return fenced(f"$ {command}\n{printed(command.removeprefix('lshexp '))}", "text")


def table(*words: str) -> str:
    """The Markdown that a command prints."""
    return printed(" ".join(words).removeprefix("lshexp "))


def few(folder: str, rows: str) -> str:
    """The configurations of a folder that are closest to the baseline, a few of them, cheapest first."""
    return found.closest(ROOT / folder, int(rows))


def held(folder: str) -> str:
    """The networks of a folder, each beside the widest dense one on the same data."""
    return "\n".join(evidence.held_lines(ROOT / folder))


def file(path: str) -> str:
    """A file of the project."""
    return fenced((ROOT / path).read_text(encoding="utf-8").strip(), Path(path).suffix[1:])


def keys(place: str) -> str:
    """The keys of a sweep file that may stand at a place: `top`, `block` or `run`."""
    return _fields("key", (key.field for key in described_keys() if key.place == place))


def options(kind: str, name: str) -> str:
    """The options of a plug-in."""
    return _fields("option", describe(registry.KINDS[kind].discover()[name]))


def plugins(kind: str) -> str:
    """The plug-ins of a kind, each in a line."""
    found = registry.KINDS[kind].discover()
    rows = [
        [f"`{name}`", cls.summary(), ", ".join(f"`{o}`" for o in cls.model_fields)]
        for name, cls in found.items()
    ]
    return markdown([kind, "what it is", "options"], rows)


def optimizers() -> str:
    """The optimisers, and what a step costs."""
    rows = [[f"`{name}`", cost.mults, cost.adds] for name, cost in OPTIMIZERS.items()]
    return markdown(["optimizer", "multiplications a weight", "additions a weight"], rows)


def columns(name: str) -> str:
    """The columns of a CSV file."""
    rows = [
        [f"`{column.name}`", column.kind, column.unit, column.meaning]
        for column in described_columns()
        if column.file == name
    ]
    return markdown(["column", "kind", "unit", "meaning"], rows)


def _fields(head: str, fields: Iterable[FieldWords]) -> str:
    rows = [
        [
            f"`{words.name}`",
            f"`{words.default}`" if words.default else "",
            f"{words.kind}, {words.range}" if words.range else words.kind,
            words.description,
        ]
        for words in fields
    ]
    return markdown([head, "default", "values", "meaning"], rows)


def findings(most: str) -> str:
    """The first of what was found, in sentences whose numbers are read from the tables in results/."""
    told = itertools.islice(found.findings(), int(most))
    return "\n".join(f"{i}. {sentence}" for i, sentence in enumerate(told, 1))


PARTS: dict[str, Callable[..., str]] = {
    part.__name__: part
    for part in (shown, table, few, held, file, keys, options, plugins, optimizers, columns, findings)
}


def updated(page: str) -> str:
    """The text of a page with its generated parts as they should be."""

    def part(block: re.Match[str]) -> str:
        name, *arguments = block[2].split()
        return f"{block[1]}\n{PARTS[name](*arguments)}\n\n{block[3]}"

    return MARKED.sub(part, page)


def main() -> None:
    """Bring every page up to date."""
    for path in pages():
        path.write_text(updated(path.read_text(encoding="utf-8")), encoding="utf-8")
    EVIDENCE.write_text(evidence.page(printed), encoding="utf-8")


if __name__ == "__main__":
    main()
