"""`lshexp init`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lshexp.cli._app import app


@app.command()
def init(
    file: Annotated[
        Path, typer.Argument(metavar="FILE.yaml", help="The sweep file to write.", show_default=False)
    ],
    force: Annotated[bool, typer.Option("-f", "--force", help="Replace files that are there.")] = False,
) -> None:
    """Write a sweep file to begin with, and a schema for editors.

    The file runs as it is, in well under a minute. An editor with a YAML language server completes keys and
    marks mistakes by the schema, which holds the methods and datasets that are installed.

    Example: lshexp init my.yaml
    """
    import json

    from lshexp import render
    from lshexp.config.keys import NAME
    from lshexp.config.starter import json_schema, starter_text
    from lshexp.errors import ConfigError
    from lshexp.io import make_folder, write_atomic

    if file.suffix not in (".yaml", ".yml") or not NAME.fullmatch(file.stem):
        raise ConfigError(
            f"{file}: a sweep file is called NAME.yaml, NAME of letters, digits, '.', '_' and '-'"
        )
    schema = file.with_name(f"{file.stem}.schema.json")
    there = [str(path) for path in (file, schema) if path.exists()]
    if there and not force:
        raise ConfigError(f"{' and '.join(there)}: already there; --force replaces what is there")
    shown = str(file) if str(file).isprintable() else file.name
    make_folder(file.parent)
    write_atomic(schema, (json.dumps(json_schema(), indent=1) + "\n").encode())
    write_atomic(file, starter_text(file.stem, shown, schema.name).encode())
    render.written(file, f"a sweep to begin with; try: lshexp sweep {file} --dry-run")
    render.written(schema, "checks sweep files in an editor")
