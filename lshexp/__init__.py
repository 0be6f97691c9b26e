"""How few nodes of a fully connected network must be computed, and how should they be chosen?

    import lshexp
    sweep = lshexp.load_sweep("experiments/quickstart.yaml")
    lshexp.run_sweep(sweep, "results")
    results = lshexp.read_results("results/quickstart")
    table = lshexp.compare(results, baseline="dense")

The names are loaded when first used, so that `import lshexp` and `lshexp --help` stay instant.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lshexp import torch
    from lshexp.analysis import figures
    from lshexp.analysis.compare import compare
    from lshexp.analysis.results import Results, read_results
    from lshexp.classifier import LSHClassifier
    from lshexp.config import load_sweep
    from lshexp.nn.saving import load_network
    from lshexp.runs.sweep import run_sweep

__version__ = "0.1.0"
__all__ = [
    "LSHClassifier",
    "Results",
    "__version__",
    "compare",
    "figures",
    "load_network",
    "load_sweep",
    "read_results",
    "run_sweep",
    "torch",
]

_MODULES = {"figures": "lshexp.analysis.figures", "torch": "lshexp.torch"}
_HOMES = {
    "Results": "lshexp.analysis.results",
    "compare": "lshexp.analysis.compare",
    "LSHClassifier": "lshexp.classifier",
    "load_network": "lshexp.nn.saving",
    "load_sweep": "lshexp.config",
    "read_results": "lshexp.analysis.results",
    "run_sweep": "lshexp.runs.sweep",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(_MODULES[name])
    if name not in _HOMES:
        raise AttributeError(f"module 'lshexp' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
