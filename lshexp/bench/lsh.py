"""Our LSH sampling, and other ways of ours to train few nodes. A variant is one line of `VARIANTS`."""

from __future__ import annotations

from contextlib import AbstractContextManager

from lshexp.bench._ours import Variant, our_trainees
from lshexp.bench._task import Recipe, Task, Trainee

VARIANTS = {
    "lsh": Variant("lsh"),
    "lsh_hybrid": Variant("lsh", {"preset": "hybrid"}),
    "lsh_hybrid_512": Variant("lsh", {"preset": "hybrid"}, batch=512),
    "lsh_hybrid_no_tables_512": Variant("lsh", {"preset": "hybrid", "L": 0}, batch=512),
    "winner_take_all_lists_512": Variant(
        "winner_take_all", {"over": "example", "where_sparse": "scan"}, batch=512, input="lists"
    ),
}
NAMES = tuple(VARIANTS)
RECIPES = (
    Recipe("lsh", "sgd", 1.0, "best of 0.5, 1 and 2 on held-out digits: experiments/headline_lr.yaml"),
    Recipe("lsh_hybrid", "sgd", 1.0, "as lsh, whose first layer it has"),
    Recipe("lsh_hybrid", "adagrad", 0.02, "took lsh to 96.7 % of held-out digits in the fewest examples"),
)


def missing() -> str | None:
    """Nothing is."""
    return None


def trainees(task: Task, names: tuple[str, ...]) -> AbstractContextManager[list[Trainee]]:
    """The variants of those names."""
    return our_trainees(task, VARIANTS, names)
