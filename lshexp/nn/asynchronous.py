"""Which runs train asynchronously, and by what."""

from __future__ import annotations

from lshexp.nn.hogwild import Hogwild
from lshexp.nn.network import Network
from lshexp.nn.workers import SimulatedWorkers
from lshexp.spec import RunSpec


def workers_of(spec: RunSpec, network: Network) -> SimulatedWorkers | Hogwild | None:
    """What takes the place of the network's own batch steps; None where they are what is asked for."""
    if spec.simulate_workers:
        return SimulatedWorkers(network, spec.simulate_workers, spec.key())
    return Hogwild(network, spec.threads) if spec.update == "hogwild" else None
