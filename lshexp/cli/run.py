"""Commands about one run: `lshexp show` and `lshexp predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lshexp.cli._app import Plugins, ResultsFolder, app, run_ids


@app.command()
def show(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN_ID",
            help="The run's id, or how it begins.",
            autocompletion=run_ids,
            show_default=False,
        ),
    ],
    results: ResultsFolder = Path("results"),
    json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Show all about one run, and the command that repeats it.

    Its settings, layers, numbers, times, and the machine it was made on.

    Example: lshexp show 0a1b2c --results results/quickstart
    """
    from lshexp import render
    from lshexp.analysis.run import as_json, view_run
    from lshexp.runs.find import find_run

    found = view_run(*find_run(run, results))
    if json:
        typer.echo(as_json(found))
    else:
        render.run(found)


@app.command()
def predict(
    network: Annotated[
        str,
        typer.Argument(metavar="RUN_OR_FILE", help="A run's id, or how it begins; or a .safetensors file."),
    ],
    data: Annotated[
        str, typer.Argument(metavar="DATA", help="A dataset, or a CSV, npz, LIBSVM or Parquet file.")
    ],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="FILE.csv", help="Where predictions go.")
    ] = None,
    results: ResultsFolder = Path("results"),
    plugins: Plugins = None,
) -> None:
    """Predict with a trained network that a sweep has kept.

    Says what that took, in multiplications and time.

    Nodes are selected as at the end of the run. Of a dataset, its test examples are predicted; of a file, all
    rows. A CSV file with a column for each feature and no other has no labels, and so has an npz archive
    without an array of labels; otherwise the accuracy is told.

    Example: lshexp sweep experiments/quickstart.yaml --save; lshexp predict 0a1b2c rectangles -o out.csv
    """
    from lshexp import render
    from lshexp.io import write_atomic
    from lshexp.nn.saving import load_network
    from lshexp.runs.find import find_network
    from lshexp.runs.predictions import predict_data

    is_file = network.endswith(".safetensors") or Path(network).is_file()
    found = predict_data(load_network(network if is_file else find_network(network, results)), data)
    if out is not None:
        write_atomic(out, found.to_csv())
    render.predictions(found, out)
