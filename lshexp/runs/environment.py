"""The machine and the code a run ran on, without naming the machine, its user or its folders."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path

import lshexp
from lshexp.spec import KERNEL_REVISION

GIBIBYTE = 2**30
ARITHMETIC = (
    "numpy", "numba", "llvmlite", "blas_name", "blas_version",
    "cpu_vectors", "numpy_simd", "blas_kernel", "numba_cpu",
)  # fmt: skip
VECTOR_EXTENSIONS = (
    "sse",
    "ssse",
    "avx",
    "fma",
    "f16c",
    "amx",
    "neon",
    "asimd",
    "sve",
)  # how their names begin


@dataclass(frozen=True)
class Environment:
    """One row of env.csv; None = could not be found out."""

    git_sha: str | None  # of the checkout that holds the package, None when it is not run from one
    git_dirty: bool | None  # whether the package's folder differs from that commit
    kernel_revision: int
    lshexp: str
    python: str
    numpy: str
    numba: str
    llvmlite: str
    blas_name: str | None
    blas_version: str | None
    blas_threads: int | None  # what the library would use; a run's own limit is the column `threads`
    threading_layer: str | None  # the one numba chose
    cpu_model: str
    cores_physical: int | None
    cores_logical: int | None
    cores_usable: int | None  # after affinity masks
    memory_gb: float
    os: str
    # what rounding hangs on beside the versions above; two machines of one `cpu_model` may differ in it
    cpu_vectors: str | None = None  # vector extensions of the processor, e.g. `avx2 avx512f fma`
    numpy_simd: str | None = None  # instruction sets that NumPy's own loops were chosen for
    blas_kernel: str | None = None  # the one the BLAS library chose for this processor
    numba_cpu: str | None = None  # processor that Numba compiles for

    @property
    def arithmetic_id(self) -> str:
        """Content address of what rounding hangs on, 8 hexadecimal digits.

        Runs with the same one can be the same to the last bit; runs with different ones cannot be expected
        to. A comparison whose rows have several is one of machines too.
        """
        chosen = [getattr(self, name) for name in ARITHMETIC]
        return hashlib.sha256(json.dumps(chosen).encode()).hexdigest()[:8]

    def id(self) -> str:
        """Content address: 12 hexadecimal digits, the `env_id` of rows made here."""
        text = json.dumps(dataclasses.asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def capture() -> Environment:
    """Look at this process's machine, libraries and code. Takes about a second: numba starts its threads."""
    import psutil

    git_sha, git_dirty = _git_state(Path(lshexp.__file__).parent)
    blas_name, blas_version, blas_threads, blas_kernel = _blas()
    return Environment(
        git_sha=git_sha,
        git_dirty=git_dirty,
        kernel_revision=KERNEL_REVISION,
        lshexp=lshexp.__version__,
        python=platform.python_version(),
        numpy=importlib.metadata.version("numpy"),
        numba=importlib.metadata.version("numba"),
        llvmlite=importlib.metadata.version("llvmlite"),
        blas_name=blas_name,
        blas_version=blas_version,
        blas_threads=blas_threads,
        threading_layer=_threading_layer(),
        cpu_model=_cpu_model(),
        cores_physical=psutil.cpu_count(logical=False),
        cores_logical=psutil.cpu_count(),
        cores_usable=usable_cores(),
        memory_gb=round(psutil.virtual_memory().total / GIBIBYTE, 1),
        os=platform.platform(),
        cpu_vectors=_cpu_vectors(),
        numpy_simd=_numpy_simd(),
        blas_kernel=blas_kernel,
        numba_cpu=_numba_cpu(),
    )


def _git_state(package: Path) -> tuple[str | None, bool | None]:
    """Commit of the package's own checkout and whether the package differs from it.

    A package installed inside some other project's checkout is not tracked there, and gives None.
    """

    def git(*arguments: str) -> str:
        command = ["git", "--no-optional-locks", "-C", str(package), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", "__init__.py")
        return git("rev-parse", "HEAD"), bool(git("status", "--porcelain", "--", "."))
    except (OSError, subprocess.SubprocessError):
        return None, None


def _blas() -> tuple[str | None, str | None, int | None, str | None]:
    """Name, version, thread count and chosen kernel of the BLAS that NumPy is linked with."""
    import numpy  # noqa: F401 - its BLAS must be loaded to be seen
    from threadpoolctl import threadpool_info

    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    pools.sort(key=lambda pool: "numpy" not in pool["filepath"])
    if not pools:
        return None, None, None, None
    blas = pools[0]
    return blas["internal_api"], blas["version"], blas["num_threads"], blas.get("architecture")


def _cpu_vectors() -> str | None:
    """Vector extensions of this processor, in alphabetical order."""
    import llvmlite.binding as llvm

    try:
        features = llvm.get_host_cpu_features()
    except RuntimeError:  # LLVM does not know how to ask this processor
        return None
    return " ".join(sorted(n for n, there in features.items() if there and n.startswith(VECTOR_EXTENSIONS)))


def _numpy_simd() -> str:
    """Instruction sets that NumPy was built for and found here; which of them its loops run on."""
    import numpy as np

    simd = np.show_config(mode="dicts")["SIMD Extensions"]
    return " ".join([*simd["baseline"], *simd["found"]])


def _numba_cpu() -> str:
    """Name of the processor that Numba compiles for: this one, unless NUMBA_CPU_NAME names another."""
    import llvmlite.binding as llvm
    import numba

    return str(numba.config.CPU_NAME or llvm.get_host_cpu_name())  # type: ignore[attr-defined]


def _threading_layer() -> str | None:
    """Name of numba's threading layer; asking for the thread count makes numba choose one."""
    import numba

    try:
        numba.get_num_threads()
        return str(numba.threading_layer())  # type: ignore[attr-defined] # public, but not in its __all__
    except (ValueError, ImportError):
        return None


def _cpu_model() -> str:
    """Model name of the processor; the architecture where the system does not tell."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()


def usable_cores() -> int | None:
    """Cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()
