"""Solids put together to a toy, in the form in which the renderer takes them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lshexp.kernels.data_render import BLOCK, CYLINDER, ELLIPSOID, SOLID_COLUMNS

Vector = Sequence[float] | NDArray[np.float64]

RADIUS = 1.0  # of the toys, after scaling
GLASS, TYRES = 0.4, 0.35  # reflected shares
ROOF = 0.025  # half thickness


class Toy:
    """A toy under construction: x points forward, y to its left, z up; the table is z = 0."""

    def __init__(self, albedo: float) -> None:
        """Start with nothing; `albedo` is the share of the light that solids added from now on reflect."""
        self.albedo = albedo
        self._rows: list[tuple[int, NDArray[np.float64], NDArray[np.float64], tuple[float, ...]]] = []
        self._albedos: list[float] = []

    def _add(self, kind: int, centre: Vector, axes: NDArray[np.float64], *more: float) -> None:
        self._rows.append((kind, np.asarray(centre, float), axes, more or (0.0, 0.0, 0.0)))
        self._albedos.append(self.albedo)

    def ellipsoid(self, centre: Vector, radii: Vector, pitch: float = 0.0) -> None:
        """Add an ellipsoid; `pitch` raises its front, in degrees."""
        self._add(ELLIPSOID, centre, _pitched(pitch) * np.asarray(radii, float))

    def block(
        self,
        centre: Vector,
        half: Vector,
        top: Sequence[float] = (1.0, 1.0),
        shift: float = 0.0,
        pitch: float = 0,
    ) -> None:
        """Add a block of half sides `half`; its top is `top` times as large, `shift` half lengths on."""
        self._add(BLOCK, centre, _pitched(pitch) * np.asarray(half, float), 1 - top[0], 1 - top[1], shift)

    def limb(self, start: Vector, end: Vector, radius: float, rounded: bool = False) -> None:
        """Add a round bar between two points, with a ball at its end where `rounded`."""
        a, b = np.asarray(start, float), np.asarray(end, float)
        along = (b - a) / 2
        side = np.cross(
            along, (0.0, 0.0, 1.0) if abs(along[2]) < 0.9 * np.linalg.norm(along) else (1.0, 0.0, 0.0)
        )
        side *= radius / np.linalg.norm(side)
        other = np.cross(along, side)
        other *= radius / np.linalg.norm(other)
        self._add(CYLINDER, (a + b) / 2, np.stack([side, other, along], axis=1))
        if rounded:
            self.ellipsoid(b, (radius, radius, radius))

    def wing(self, root: Vector, tip: Vector, chord: float, taper: float, thickness: float) -> None:
        """Add a blade from root to tip; `chord` is its length along x at the root, `taper` tip / root."""
        a, b = np.asarray(root, float), np.asarray(tip, float)
        along = (b - a) / 2
        sweep = along[0]
        along[0] = 0.0
        across = np.cross(along, (1.0, 0.0, 0.0))
        across *= thickness / 2 / np.linalg.norm(across)
        axes = np.stack([(chord / 2, 0.0, 0.0), across, along], axis=1)
        centre = np.array([a[0], (a[1] + b[1]) / 2, (a[2] + b[2]) / 2])
        self._add(BLOCK, centre, axes, 1 - taper, 0.5, 2 * sweep / (chord / 2))

    def wheels(self, places: Sequence[float], track: float, radius: float, width: float) -> None:
        """Add a pair of dark wheels at each of `places` along x, at y = -track and y = track."""
        paint, self.albedo = self.albedo, TYRES
        for x in places:
            for y in (-track, track):
                self.limb((x, y - width / 2, radius), (x, y + width / 2, radius), radius)
        self.albedo = paint

    def cabin(
        self, centre: Vector, half: Vector, top: Sequence[float] = (1.0, 1.0), shift: float = 0.0
    ) -> None:
        """Add a block of dark glass under a painted roof."""
        paint, self.albedo = self.albedo, GLASS
        self.block(centre, half, top, shift)
        self.albedo = paint
        middle = (centre[0] + shift * half[0], centre[1], centre[2] + half[2])
        self.block(middle, (top[0] * half[0], top[1] * half[1], ROOF))

    def rows(self) -> tuple[NDArray[np.float64], float]:
        """Return float64[solids, SOLID_COLUMNS], centred, scaled to RADIUS, and the table's height."""
        low, high = self._bounds()
        middle = (low + high) / 2
        scale = 2 * RADIUS / float(np.linalg.norm(high - low))
        out = np.zeros((len(self._rows), SOLID_COLUMNS))
        for row, albedo, (kind, centre, axes, more) in zip(out, self._albedos, self._rows, strict=True):
            row[0] = kind
            row[1:4] = scale * (centre - middle)
            row[4:13] = np.linalg.inv(scale * axes).ravel()
            longest = max(1.0, 1.0 - more[0] + abs(more[2]))
            sizes = scale * np.linalg.norm(axes, axis=0) * (longest, 1.0, 1.0)
            around = {ELLIPSOID: max(sizes), CYLINDER: np.hypot(max(sizes[:2]), sizes[2])}
            row[13] = around.get(kind, np.linalg.norm(sizes))  # radius of a sphere around it
            row[14:17] = more
            row[17] = albedo
        return out, float(scale * (low - middle)[2])

    def _bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Corners of a box around the toy; ellipsoids exactly, other solids by their own corners."""
        lows, highs = [], []
        for kind, centre, axes, more in self._rows:
            if kind == ELLIPSOID:
                reach = np.linalg.norm(axes, axis=1)
            elif kind == CYLINDER:
                reach = np.linalg.norm(axes[:, :2], axis=1) + np.abs(axes[:, 2])
            else:
                reach = np.abs(axes).sum(axis=1) + np.abs(axes[:, 0]) * max(0.0, abs(more[2]) - more[0])
            lows.append(centre - reach)
            highs.append(centre + reach)
        return np.min(lows, axis=0), np.max(highs, axis=0)


def _pitched(degrees: float) -> NDArray[np.float64]:
    """Rotation about y that raises the front (x) by an angle."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, 0.0, -s], [0.0, 1.0, 0.0], [s, 0.0, c]])
