"""All that is printed: tables, progress, one-line errors. The only package that imports rich.

Data goes to stdout, everything else to stderr; what is not a terminal gets no colour and no `\\r`.
"""

from lshexp.render._console import say
from lshexp.render.bench import (
    bench,
    bench_memory,
    bench_output,
    bench_profile,
    bench_to,
    bench_written,
    machine,
)
from lshexp.render.claims import claims
from lshexp.render.comparison import comparison, energies
from lshexp.render.data import datasets, downloads, fetched, statistics, verified, written
from lshexp.render.listing import environment, listing
from lshexp.render.messages import drawn, fail, report_written
from lshexp.render.progress import outcome, watch
from lshexp.render.run import predictions, run
from lshexp.render.sweep import interrupted, plan, summary

__all__ = [
    "bench",
    "bench_memory",
    "bench_output",
    "bench_profile",
    "bench_to",
    "bench_written",
    "claims",
    "comparison",
    "datasets",
    "downloads",
    "drawn",
    "energies",
    "environment",
    "fail",
    "fetched",
    "interrupted",
    "listing",
    "machine",
    "outcome",
    "plan",
    "predictions",
    "report_written",
    "run",
    "say",
    "statistics",
    "summary",
    "verified",
    "watch",
    "written",
]
