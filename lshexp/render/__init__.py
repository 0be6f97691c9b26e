"""All that is printed: tables, progress, one-line errors. The only package that imports rich.

Data goes to stdout, everything else to stderr; what is not a terminal gets no colour and no `\\r`.
"""

from lshexp.render.bench import bench, say
from lshexp.render.comparison import comparison
from lshexp.render.errors import fail
from lshexp.render.figures import drawn
from lshexp.render.listing import environment, listing
from lshexp.render.progress import label, outcome, watch
from lshexp.render.sweep import plan, summary

__all__ = [
    "bench",
    "comparison",
    "drawn",
    "environment",
    "fail",
    "label",
    "listing",
    "outcome",
    "plan",
    "say",
    "summary",
    "watch",
]
