"""`lshexp energy`."""

from __future__ import annotations

from typing import Annotated

import typer

from lshexp.cli._app import Baseline, Form, Format, SweepFolder, app


@app.command()
def energy(
    folder: SweepFolder,
    models: Annotated[
        list[str] | None,
        typer.Option(
            "-m",
            "--model",
            metavar="NAME|FILE",
            help="A model, with options as in horowitz45_mem,memory=sram_8kb, or a .yaml file; repeatable.",
        ),
    ] = None,
    baseline: Baseline = None,
    form: Form = Format.table,
) -> None:
    """Price finished runs under several energy models.

    Joules come from the counted work, so nothing is run again. Without --model: the arithmetic alone
    (horowitz45), and with all memory traffic from a cache of 8 KB, of 1 MB, and from DRAM. A table of your
    own is a file with the keys title and picojoules: {mult: 3.7, add: 0.9, access: 20}, the last for each
    access_bytes (8) of traffic.

    Example: lshexp energy results/shares -m horowitz45 -m my_table.yaml
    """
    from lshexp import render
    from lshexp.analysis.energy import sensitivity

    render.energies(sensitivity(folder, models or [], baseline), form.value)
