"""Numba kernels: functions on plain arrays, fp32, each with a NumPy twin in tests/naive.py.

Importing this package points Numba's cache at a folder named by a hash of the kernel sources: Numba
itself only notices edits in the file of the cached function, not in the files it calls.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numba
import platformdirs


def source_hash() -> str:
    """Return 12 hexadecimal digits that change with any edit to a kernel source, here or beside a dataset."""
    digest = hashlib.sha256(numba.__version__.encode())
    here = Path(__file__).parent
    for path in sorted([*here.glob("*.py"), *(here.parent / "data").glob("*.py")]):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


if "NUMBA_CACHE_DIR" not in os.environ:
    _folder = Path(platformdirs.user_cache_dir("lshexp")) / "numba" / source_hash()
    numba.config.CACHE_DIR = str(_folder)  # type: ignore[attr-defined]
