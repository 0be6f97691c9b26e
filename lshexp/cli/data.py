"""`lshexp data`: list, fetch, verify, show, make."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lshexp.cli._app import app, dataset_names

data = typer.Typer(name="data", help="The datasets: what there is, what it looks like.", no_args_is_help=True)
app.add_typer(data)

EXAMPLES_TO_SHOW_FROM = 2_000  # enough for a dozen of each class

Name = Annotated[
    str,
    typer.Argument(metavar="NAME", help="A dataset, as in `lshexp data list`.", autocompletion=dataset_names),
]
Options = Annotated[
    list[str] | None,
    typer.Option("-s", "--set", metavar="KEY=VALUE", help="An option of the dataset; repeatable."),
]


@data.command(name="list")
def list_(
    stats: Annotated[
        bool, typer.Option("--stats", help="Also class balance, mean, non-zeros, principal spectrum.")
    ] = False,
) -> None:
    """List the datasets: sizes, licence, whether they are here.

    Example: lshexp data list --stats
    """
    from lshexp import render
    from lshexp.data.catalog import catalog

    entries = catalog()
    render.datasets(entries)
    if stats:
        render.statistics(entries)


@data.command()
def fetch(
    name: Name,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="DIR", help="Where to; by default the cache.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Also when the files are there already.")] = False,
) -> None:
    """Download the published files of a dataset, and check them.

    An interrupted download goes on where it was.

    Example: lshexp data fetch mnist
    """
    from lshexp import render
    from lshexp.config.overrides import chosen_dataset
    from lshexp.data.catalog import is_there
    from lshexp.data.fetch import fetch as fetch_files

    dataset = chosen_dataset(name, ())
    if dataset.remotes() and is_there(dataset) and not force and out is None:
        render.fetched(name, dataset.locate(), new=False)
        return
    with render.downloads() as watch:
        paths = fetch_files(dataset, out, watch)
    render.fetched(name, paths, new=True)


@data.command()
def show(
    name: Name,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="FILE", help="Where to write; by default NAME.png.")
    ] = None,
    options: Options = None,
) -> None:
    """Draw some training examples: a PNG with a row for each class.

    Example: lshexp data show convex -s seed=3
    """
    from lshexp import render
    from lshexp.config.overrides import chosen_dataset
    from lshexp.data.export import contact_sheet
    from lshexp.io import make_folder, write_atomic

    dataset = chosen_dataset(name, options or ())
    path = out or Path(f"{name}.png")
    sheet = contact_sheet(dataset.sample(EXAMPLES_TO_SHOW_FROM), dataset.info())
    make_folder(path.parent)
    write_atomic(path, sheet)
    render.written(path, f"{dataset.info().classes} classes, one row each")


@data.command()
def verify(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="One dataset; by default all that are present.")
    ] = None,
    options: Options = None,
) -> None:
    """Read every file of a dataset and compare published checksums.

    Example: lshexp data verify mnist
    """
    from lshexp import render
    from lshexp.config.overrides import chosen_dataset
    from lshexp.data.catalog import catalog, check
    from lshexp.errors import DataError

    if name:
        render.verified(name, check(chosen_dataset(name, options or ())))
        return
    damages: list[str] = []
    for entry in catalog():
        if entry.dataset is None or entry.state != "present":
            render.verified(entry.name, entry.state)
            continue
        try:
            render.verified(entry.name, check(entry.dataset))
        except DataError as error:
            damages.append(str(error))
    if damages:
        raise DataError("\n".join(damages))


@data.command()
def make(
    name: Name,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="FILE", help="Where to write; by default NAME.npz.")
    ] = None,
    options: Options = None,
) -> None:
    """Write a generated dataset to a NumPy archive.

    `dataset: {name: npz, path: ...}` reads it.

    Example: lshexp data make convex -s train=2000 -s seed=3
    """
    from lshexp import render
    from lshexp.config.overrides import chosen_dataset
    from lshexp.data.export import export_npz

    path = out or Path(f"{name}.npz")
    size = export_npz(chosen_dataset(name, options or ()), path)
    render.written(path, f"{size:,} bytes, arrays x_train, y_train, x_test, y_test")
