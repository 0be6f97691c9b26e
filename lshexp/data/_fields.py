"""Smooth random displacement fields."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lshexp.streams import stream

STEP = 1 / 1024  # pixels; displacements are rounded, as other FFTs differ in the last bits only


def smooth_fields(seed: int, count: int, side: int, width: float, size: float) -> NDArray[np.float32]:
    """Draw displacement fields: float32[count, side, side] in pixels, in steps of 1/1024.

    Each is white noise convolved with a Gaussian of standard deviation `width` pixels, edges wrapping around,
    scaled to a standard deviation of `size` pixels (Simard, Steinkraus and Platt, "Best practices for
    convolutional neural networks applied to visual document analysis", ICDAR 2003).
    """
    noise = stream(seed, "fields").standard_normal((count, side, side))
    rows, columns = np.fft.fftfreq(side), np.fft.rfftfreq(side)
    power = np.exp(-2 * (np.pi * width) ** 2 * (rows[:, None] ** 2 + columns[None, :] ** 2))
    smooth = np.fft.irfft2(np.fft.rfft2(noise) * power, s=(side, side))
    smooth *= size / smooth.std(axis=(1, 2), keepdims=True)
    return (np.rint(smooth / STEP) * STEP).astype(np.float32)
