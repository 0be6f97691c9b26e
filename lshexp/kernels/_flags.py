"""Compiler flags that are the same for many kernels."""

from __future__ import annotations

# Lets LLVM reorder the terms of a sum, so that it runs in vector registers, and fuse multiply with add.
# It never assumes that NaN or infinity are absent: they are how a diverged run is noticed.
REASSOCIATE = {"reassoc", "contract", "nsz"}
