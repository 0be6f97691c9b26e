"""Textures whose amplitude falls as 1/frequency, as it does in photographs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lshexp.streams import stream


def textures(seed: int, count: int, side: int) -> NDArray[np.float32]:
    """Draw textures: float32[count, side, side], mean about 0.5, in steps of 1/255 from 0 to 1.

    Each is white noise divided by its spatial frequency in the Fourier domain, scaled to a standard
    deviation of 0.2 and clipped; edges wrap around. The statistics are those of natural images (Field,
    "Relations between the statistics of natural images and the response properties of cortical cells",
    J. Opt. Soc. Am. A, 1987), but nothing in them has a contour.
    """
    noise = stream(seed, "textures").standard_normal((count, side, side))
    rows, columns = np.fft.fftfreq(side), np.fft.rfftfreq(side)
    frequency = np.hypot(rows[:, None], columns[None, :])
    frequency[0, 0] = np.inf  # no mean
    waves = np.fft.irfft2(np.fft.rfft2(noise) / frequency, s=(side, side))
    waves *= 0.2 / waves.std(axis=(1, 2), keepdims=True)
    levels = np.rint(255 * np.clip(0.5 + waves, 0, 1))  # rounded: other FFTs differ in the last bits only
    return (levels / 255).astype(np.float32)
