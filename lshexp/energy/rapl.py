"""A reader of RAPL, the processors' own energy counters, through Linux's powercap files.

Each zone below /sys/class/powercap has a `name`, a counter `energy_uj` in microjoules and the value at which
it wraps to zero, `max_energy_range_uj` (Linux, Documentation/power/powercap/powercap.rst). The counters are
of the whole machine, whoever uses it. Where any of them cannot be read there is no reading at all, and a
reason: a part of the machine's energy, or an estimate, would pass for the whole.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

POWERCAP = Path("/sys/class/powercap")
SECONDS_BETWEEN_READINGS = 10.0  # a counter of 65 kJ wraps in two minutes at 500 W
JOULES_PER_MICROJOULE = 1e-6
MAX_FILE_BYTES = 100


class Domain(NamedTuple):
    """A zone with a counter."""

    label: str  # `package-0`, `package-0/dram`, `mmio/package-0`, `psys`
    folder: Path
    range_uj: int


class UnreadableError(Exception):
    """The counters are not there, or not for this user; the message is the reason."""


def find_domains(root: Path = POWERCAP) -> list[Domain]:
    """All zones below `root`. Raises UnreadableError with the reason when they cannot all be read."""
    try:
        folders = sorted(path for path in root.glob("intel-rapl*:*") if (path / "energy_uj").exists())
    except OSError as error:
        raise UnreadableError(f"{root} cannot be read: {error.strerror}") from None
    if not folders:
        raise UnreadableError(
            f"{root} has no RAPL counters; virtual machines and containers mostly have none"
        )
    domains: dict[str, Domain] = {}
    for folder in folders:
        label = _label(folder)
        label = f"{label} ({folder.name})" if label in domains else label
        domains[label] = Domain(label, folder, _integer(folder / "max_energy_range_uj"))
    for domain in domains.values():
        _integer(domain.folder / "energy_uj")
    return list(domains.values())


def whole(joules: dict[str, float]) -> float | None:
    """The machine's processors and memory: packages and their dram, each once; None without a package.

    Cores and graphics are parts of a package and psys holds packages, so they are not added; mmio is another
    way to the same counters, and counts only where it is the only way.
    """
    for prefix in ("", "mmio/"):
        packages = {name for name in joules if name.startswith(f"{prefix}package")}
        counted = [
            value
            for name, value in joules.items()
            if name in packages and _part(name.removeprefix(prefix)) in ("", "dram")
        ]
        if counted:
            return sum(counted)
    return None


class Meter:
    """Adds up what the counters of a machine say between `start` and `stop`, several times over.

    `reason` says why there is no reading, and is None where there is one.
    """

    def __init__(self, root: Path = POWERCAP) -> None:
        self.reason: str | None = None
        self._domains: list[Domain] = []
        self._last: dict[str, int] | None = None  # None = not running
        self._read_at = 0.0
        try:
            self._domains = find_domains(root)
        except UnreadableError as error:
            self.reason = str(error)
        self._total_uj = {domain.label: 0 for domain in self._domains}

    @property
    def joules(self) -> dict[str, float] | None:
        """Joules of each domain so far; None where they could not all be read."""
        if self.reason is not None:
            return None
        return {label: total * JOULES_PER_MICROJOULE for label, total in self._total_uj.items()}

    def start(self) -> None:
        """Take the counters from here."""
        self._last = self._readings()

    def sample(self) -> None:
        """Read now and then, so that no counter wraps twice unseen; to be called every second or so."""
        if self._last is not None and time.perf_counter() - self._read_at >= SECONDS_BETWEEN_READINGS:
            self._advance()

    def stop(self) -> None:
        """Add what was used since `start`; nothing when it is not running."""
        if self._last is not None:
            self._advance()
            self._last = None

    def _advance(self) -> None:
        now, last = self._readings(), self._last
        if now is not None and last is not None:
            for domain in self._domains:
                used = now[domain.label] - last[domain.label]
                self._total_uj[domain.label] += used if used >= 0 else used + domain.range_uj
        self._last = now

    def _readings(self) -> dict[str, int] | None:
        if self.reason is not None:
            return None
        self._read_at = time.perf_counter()
        try:
            return {domain.label: _integer(domain.folder / "energy_uj") for domain in self._domains}
        except UnreadableError as error:
            self.reason = str(error)
            return None


def _part(label: str) -> str:
    """What part of a package a label names, without what tells two of one name apart."""
    return label.partition(" (")[0].partition("/")[2]


def _label(folder: Path) -> str:
    """The zone's name below its parent's: zone intel-rapl:0:2 is the third part of intel-rapl:0."""
    kind, *numbers = folder.name.split(":")
    zones = [folder.with_name(":".join([kind, *numbers[:depth]])) for depth in range(1, len(numbers) + 1)]
    label = "/".join(_text(zone / "name") for zone in zones)
    return f"{kind.removeprefix('intel-rapl-')}/{label}" if kind != "intel-rapl" else label


def _integer(path: Path) -> int:
    text = _text(path)
    if not text.isascii() or not text.isdigit():
        raise UnreadableError(f"{path} holds no number")
    return int(text)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES).decode("ascii", "replace").strip()
    except PermissionError:
        raise UnreadableError(
            f"{path} may not be read by this user; since Linux 5.10 an administrator has to allow it"
        ) from None
    except OSError as error:
        raise UnreadableError(f"{path} cannot be read: {error.strerror}") from None
