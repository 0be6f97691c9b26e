"""What a bench is asked for, and the defaults of each of its four questions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numba

Question = Literal["time", "to", "memory", "profile"]


@dataclass(frozen=True)
class Plan:
    """What to measure. `examples` a pass at most, fewer where a pass would take longer than `seconds`.

    A pass is a batch at least. Where that takes more than twice as long, there are fewer passes, in all no
    longer than `repeats` times `seconds`, or one.

    `reference` is the competitor that ratios are to. Where a target is trained to, `seconds` is the time
    after which a network is given up.
    """

    widths: tuple[int, ...] = (1000, 2000, 4000, 8000)
    layers: int = 3
    threads: tuple[int, ...] = (1, 2)
    examples: int = 5120
    repeats: int = 5
    seconds: float = 1.0
    active_pct: float = 5.0
    batch: int = 128
    only: tuple[str, ...] = ()
    reference: str = "lsh"


PLANS: dict[Question, Plan] = {
    "time": Plan(),
    "to": Plan(widths=(1000,), threads=(1,), repeats=1, seconds=120.0),
    "memory": Plan(widths=(4000,), threads=(1,), repeats=1),
    # one network at a time, so that a longer pass costs little
    "profile": Plan(widths=(1000,), threads=(1,), repeats=1, seconds=10.0, only=("lsh",)),
}


def resolved(question: Question, given: dict[str, Any]) -> tuple[Plan, str]:
    """The plan of a question with what was given in place of its defaults; None = not given.

    Default thread counts are cut to those that Numba may start here; the second value says so, or is empty.
    """
    plan = replace(PLANS[question], **{name: value for name, value in given.items() if value is not None})
    if given.get("threads") is not None:
        return plan, ""
    most = int(numba.config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]
    kept = tuple(count for count in plan.threads if count <= most) or (1,)
    left = [str(count) for count in plan.threads if count not in kept]
    said = f"threads {', '.join(left)} left out: this machine offers {most}" if left else ""
    return replace(plan, threads=kept), said
