"""What the machine is, and how fast it copies memory and multiplies matrices at best."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import llvmlite.binding
import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from lshexp.runs.environment import Environment, capture

CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
NATIVE_BF16 = {"avx512bf16", "amx-bf16", "bf16"}  # as LLVM spells them; the last is ARM's
STREAM_BYTES = 2**27  # of each array that is copied: beyond any cache
GEMM_SIDE = 2048
TRIES = 5


@dataclass(frozen=True)
class Machine:
    """The hardware and the libraries that a bench ran on; empty or None = could not be found out."""

    cpu_model: str
    vector_extensions: str  # as LLVM spells them
    amx: str  # yes, no, or empty
    bf16: str  # native, emulated, or empty
    cores_physical: int | None
    cores_usable: int | None
    caches: str  # such as "L1d 48K, L2 1024K, L3 32768K", of the first core
    memory_gb: float
    blas: str  # name, version and the kernel that it has chosen
    numba_target: str  # the processor that Numba compiles for
    threading_layer: str

    def lines(self) -> list[str]:
        """The machine in a few short lines."""
        cores = f"{self.cores_physical or 'unknown'} cores, {self.cores_usable or 'unknown'} usable"
        vectors = " ".join(name for name in self.vector_extensions.split() if not name.startswith("sse"))
        return [
            f"{self.cpu_model}, {cores}, {self.memory_gb:g} GB, caches {self.caches or 'unknown'}",
            f"vector extensions {vectors or 'unknown'}; AMX {self.amx or 'unknown'}, "
            f"bf16 {self.bf16 or 'unknown'}",
            f"BLAS {self.blas or 'unknown'}; Numba compiles for {self.numba_target or 'unknown'}, "
            f"threads by {self.threading_layer or 'unknown'}",
        ]

    def table(self, rates: Sequence[Rates]) -> pd.DataFrame:
        """One row a thread count: what the machine does at best with so many threads, and what it is."""
        return pd.DataFrame([{**rate._asdict(), **asdict(self)} for rate in rates])


class Rates(NamedTuple):
    """What the machine does at best with so many threads; medians of a few tries."""

    threads: int
    stream_gb_per_s: float  # bytes read and bytes written by a copy, in thousand millions a second
    gemm_gflop_per_s: float  # additions and multiplications of an fp32 product, in thousand millions a second

    def line(self) -> str:
        """Both in words."""
        return (
            f"this machine copies {self.stream_gb_per_s:.1f} GB/s and "
            f"multiplies matrices at {self.gemm_gflop_per_s:.0f} GFLOP/s"
        )


def describe() -> Machine:
    """Look at this machine."""
    here = capture()
    vectors = here.cpu_vectors or ""
    return Machine(
        cpu_model=here.cpu_model,
        vector_extensions=vectors,
        amx=("yes" if "amx-tile" in vectors.split() else "no") if vectors else "",
        bf16=("native" if has_bf16() else "emulated") if vectors else "",
        cores_physical=here.cores_physical,
        cores_usable=here.cores_usable,
        caches=_caches(),
        memory_gb=here.memory_gb,
        blas=_blas(here),
        numba_target=here.numba_cpu or "",
        threading_layer=here.threading_layer or "",
    )


def has_bf16() -> bool:
    """Whether the processor multiplies bf16 numbers by instructions of its own."""
    try:
        features = llvmlite.binding.get_host_cpu_features()
    except RuntimeError:  # LLVM does not know how to ask this processor
        return False
    return any(there and name in NATIVE_BF16 for name, there in features.items())


def rates(threads: int) -> Rates:
    """Measure a copy of memory and an fp32 matrix product. Takes about two seconds and 300 MB."""
    source = np.ones(STREAM_BYTES // 4, dtype=np.float32)
    target = np.zeros_like(source)
    parts = list(zip(np.array_split(source, threads), np.array_split(target, threads), strict=True))
    with ThreadPoolExecutor(threads) as pool:
        copy_s = _median_s(lambda: list(pool.map(lambda part: np.copyto(part[1], part[0]), parts)))
    left = np.ones((GEMM_SIDE, GEMM_SIDE), dtype=np.float32)
    out = np.empty_like(left)
    with threadpool_limits(threads, user_api="blas"):
        gemm_s = _median_s(lambda: np.matmul(left, left, out=out))
    return Rates(threads, 2 * STREAM_BYTES / copy_s / 1e9, 2 * GEMM_SIDE**3 / gemm_s / 1e9)


def _median_s(act: Callable[[], object]) -> float:
    act()
    seconds = []
    for _ in range(TRIES):
        started = time.perf_counter()
        act()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def _caches() -> str:
    found = []
    try:
        for index in sorted(CACHES.glob("index*")):
            kind = (index / "type").read_text().strip()
            if kind != "Instruction":
                level, size = (index / "level").read_text().strip(), (index / "size").read_text().strip()
                found.append(f"L{level}{'d' if kind == 'Data' else ''} {size}")
    except OSError:
        return ""
    return ", ".join(found)


def _blas(here: Environment) -> str:
    return " ".join(name for name in (here.blas_name, here.blas_version, here.blas_kernel) if name)
