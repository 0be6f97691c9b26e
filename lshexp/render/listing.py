"""What there is: plug-ins, and the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lshexp.errors import LshexpError
from lshexp.render._console import err, print_table

if TYPE_CHECKING:
    from lshexp.runs.environment import Environment

KINDS = {"methods": "method", "datasets": "dataset", "hashes": "hash", "energy": "energy"}


def listing(kind: str) -> None:
    """Print what is registered of a kind: name, options with their defaults, and what it is."""
    if kind == "optimizers":
        from lshexp.work import STEP_COSTS

        rows = [[name, f"{cost.mults} mults, {cost.adds} adds a weight"] for name, cost in STEP_COSTS.items()]
        print_table(["optimizer", "cost of a step"], rows, text=2)
        return
    from lshexp import registry

    found = registry.KINDS[KINDS[kind]]

    rows = []
    for name, cls in found.discover().items():
        options = ", ".join(
            field if info.is_required() else f"{field}={info.get_default(call_default_factory=True)}"
            for field, info in cls.model_fields.items()
        )
        rows.append([name, cls.summary(), options])
    print_table([KINDS[kind], "what it is", "options"], rows, text=3)
    for module, reason in found.unavailable().items():
        err().print(f"unavailable: {module}: {reason}", markup=False)


def environment(env: Environment) -> None:
    """Print the machine and code state, and whether MNIST can be read."""
    import dataclasses

    from lshexp.data.mnist import Mnist

    rows = [
        [name, "unknown" if value is None else str(value)] for name, value in dataclasses.asdict(env).items()
    ]
    try:
        Mnist().load()
        rows.append(["mnist", "found, checksums right"])
    except LshexpError as error:
        rows.append(["mnist", str(error)])
    rows.append(["rapl", _meter()])
    print_table(["what", "value"], rows, text=2)


def _meter() -> str:
    """The domains of the energy counters, or why they cannot be read."""
    from lshexp.energy._rapl import UnreadableError, find_domains

    try:
        return ", ".join(domain.label for domain in find_domains())
    except UnreadableError as error:
        return str(error)
