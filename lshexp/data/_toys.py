"""Fifty toys in five categories, each with proportions of its own, put together from solids."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lshexp.data._renderer import BLOCK, CYLINDER, ELLIPSOID, SOLID_COLUMNS
from lshexp.streams import stream

CATEGORIES = ("four-legged animals", "human figures", "aeroplanes", "trucks", "cars")
INSTANCES = 10

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


def toy(seed: int, category: int, instance: int) -> Toy:
    """Build one toy: a function of its arguments."""
    builders = (_animal, _human, _aeroplane, _truck, _car)
    draw = _Draw(stream(seed, "toy", category, instance))
    built = Toy(albedo=draw(0.75, 0.95))
    builders[category](built, draw, instance)
    return built


class _Draw:
    def __init__(self, generator: np.random.Generator) -> None:
        self._generator = generator

    def __call__(self, low: float, high: float) -> float:
        return float(self._generator.uniform(low, high))

    def chance(self, share: float) -> bool:
        return self(0, 1) < share


def _at(x: float, y: float, z: float) -> NDArray[np.float64]:
    return np.array([x, y, z], dtype=float)


def _towards(degrees: float, length: float) -> NDArray[np.float64]:
    """Vector of the plane y = 0 that rises from x by an angle."""
    return length * np.array([np.cos(np.radians(degrees)), 0.0, np.sin(np.radians(degrees))])


def _animal(toy: Toy, draw: _Draw, instance: int) -> None:
    """Body, four legs, neck, head with ears or horns, tail."""
    length, width, height = draw(0.75, 1.05), draw(0.28, 0.42), draw(0.3, 0.45)
    legs, thick = draw(0.55, 1.0), draw(0.1, 0.17)
    back = legs + height * 0.7
    toy.ellipsoid((0, 0, back), (length, width, height), pitch=draw(-6, 10))
    stride = draw(0.0, 0.25)
    for x, y, step in ((0.62, 1, 1), (0.62, -1, -1), (-0.62, 1, -1), (-0.62, -1, 1)):
        hip = np.array([x * length, y * width * 0.6, back - 0.3 * height])
        toy.limb(hip, (hip[0] + step * stride, hip[1], thick * 0.6), thick, rounded=True)
    nape = np.array([0.78 * length, 0, back + 0.35 * height])
    poll = nape + _towards(draw(25, 80), draw(0.25, 1.0))
    girth = draw(0.11, 0.2)
    toy.limb(nape - _at(0.12, 0, 0.15), poll, girth, rounded=True)
    long, deep = draw(0.24, 0.38), draw(0.15, 0.24)
    nose = _towards(draw(-45, -10), long)
    toy.ellipsoid(poll + 0.6 * nose, (long, deep * 0.85, deep), pitch=-draw(10, 35))
    toy.ellipsoid(poll + 1.4 * nose, (0.6 * long, 0.6 * deep, 0.6 * deep), pitch=-20)
    ear, out = draw(0.12, 0.34), draw(0.2, 1.0)
    for y in (-1, 1):
        root = poll + _at(0, y * deep * 0.6, deep * 0.6)
        toy.limb(root, root + _at(-0.3 * ear, y * out * ear, ear), draw(0.04, 0.07))
    rump = np.array([-0.95 * length, 0, back + 0.2 * height])
    toy.limb(
        rump + _at(0.1, 0, 0),
        rump - _towards(draw(-40, 70), draw(0.25, 0.8)),
        draw(0.035, 0.07),
        rounded=True,
    )
    if draw.chance(0.3):
        toy.ellipsoid((draw(-0.2, 0.1), 0, back + 0.7 * height), (0.45, 0.7 * width, draw(0.3, 0.5)))


def _human(toy: Toy, draw: _Draw, instance: int) -> None:
    """Legs, trunk, head, arms in some pose; some with a hat, a skirt or a staff."""
    legs, trunk, shoulders = draw(0.8, 1.05), draw(0.62, 0.8), draw(0.24, 0.36)
    thick, deep = draw(0.085, 0.14), draw(0.14, 0.22)
    stride, apart = draw(-0.35, 0.35), draw(0.1, 0.3)
    for y in (-1, 1):
        foot = np.array([y * stride, y * apart, 0.05])
        toy.limb((0, y * 0.12, legs), foot, thick)
        toy.ellipsoid(foot + _at(0.08, 0, 0.01), (0.17, 0.09, 0.06))
    chest = legs + trunk
    toy.block((0, 0, legs + trunk / 2), (deep * 0.8, shoulders * 0.75, trunk / 2), top=(1.2, 1.35))
    toy.ellipsoid((0, 0, chest), (deep, shoulders, 0.12))
    head = draw(0.15, 0.22)
    toy.limb((0, 0, chest), (0, 0, chest + 0.2), 0.07)
    crown = chest + 0.12 + head
    toy.ellipsoid((0.02, 0, crown), (head, head * 0.85, head * 1.15))
    upper, slim = draw(0.32, 0.42), draw(0.06, 0.095)
    for y in (-1, 1):
        shoulder = np.array([0, y * shoulders, chest - 0.02])
        side, front = np.radians(draw(5, 75)), np.radians(draw(-50, 80))
        arm = np.array([np.sin(front) * np.cos(side), y * np.sin(side), -np.cos(front) * np.cos(side)])
        elbow = shoulder + upper * arm
        bend = np.radians(draw(0, 90))
        lower = np.cos(bend) * arm + np.sin(bend) * np.array([0.8, 0, 0.6])
        toy.limb(shoulder, elbow, slim, rounded=True)
        toy.limb(elbow, elbow + upper * lower, slim, rounded=True)
    if instance % 3 == 0:
        toy.limb((0.02, 0, crown + 0.3 * head), (0.02, 0, crown + 0.45 * head), 1.8 * head)
        toy.limb((0.02, 0, crown + 0.3 * head), (0.02, 0, crown + 1.5 * head), 0.95 * head)
    if instance % 4 == 1:
        toy.block((0, 0, legs - 0.25), (0.4, 0.42, 0.3), top=(0.45, 0.5))
    if instance % 4 == 2:
        toy.limb(elbow + upper * lower - _at(0, 0, 0.7), elbow + upper * lower + _at(0.1, 0, 0.6), 0.04)


def _aeroplane(toy: Toy, draw: _Draw, instance: int) -> None:
    """Fuselage, wings, tail; jets under the wings or propellers; some with two decks of wings."""
    radius, span, chord = draw(0.1, 0.17), draw(0.8, 1.25), draw(0.28, 0.5)
    sweep, taper, rise = draw(0.0, 0.6), draw(0.3, 0.8), draw(-0.03, 0.15)
    deck = draw(-0.7, 0.8) * radius
    toy.limb((-0.5, 0, 0), (0.6, 0, 0), radius)
    toy.ellipsoid((0.6, 0, 0), (draw(0.25, 0.45), radius, radius))
    toy.ellipsoid((-0.5, 0, 0.02), (draw(0.5, 0.65), radius, radius))
    toy.ellipsoid((0.45, 0, radius * 0.8), (0.25, radius * 0.6, radius * 0.6))
    root = draw(0.05, 0.3) + 0.3 * sweep
    decks = (deck, deck + 0.42) if instance % 5 == 2 else (deck,)
    for z in decks:
        for y in (-1, 1):
            toy.wing((root, 0, z), (root - sweep, y * span, z + rise), chord, taper, 0.06)
            if len(decks) == 2:
                toy.limb(
                    (root - 0.6 * sweep, y * 0.6 * span, deck),
                    (root - 0.6 * sweep, y * 0.6 * span, deck + 0.45),
                    0.03,
                )
    tail, high = draw(0.32, 0.5), draw(0.3, 0.5)
    t_tail = high if instance % 4 == 3 else 0.05
    for y in (-1, 1):
        toy.wing((-0.92, 0, t_tail), (-1.05, y * tail, t_tail), draw(0.22, 0.3), 0.6, 0.05)
    toy.wing((-0.88, 0, 0), (-1.08, 0, high + 0.08), draw(0.28, 0.4), 0.55, 0.06)
    engines = instance % 3
    for side in (-1, 1):
        for k in range(engines):
            out = 0.35 + 0.3 * k
            place = _at(root - sweep * out + 0.12, side * span * out, deck - 0.1)
            toy.limb(place - _at(0.15, 0, 0), place + _at(0.17, 0, 0), draw(0.07, 0.1))
    if not engines:  # a propeller
        toy.wing((0.95, -0.3, -0.1), (0.95, 0.3, 0.1), 0.05, 1.0, 0.07)
    low = -radius - 0.2
    for x, beside in ((0.6, 0.0), (0.0, 0.2), (0.0, -0.2)):
        toy.limb((x, beside, low), (x, beside, 0), 0.03)
        toy.limb((x, beside - 0.03, low), (x, beside + 0.03, low), 0.07)


def _truck(toy: Toy, draw: _Draw, instance: int) -> None:
    """Cab, chassis, wheels, and a load: box, tank, tipper, platform with logs, or crane."""
    wheel, width = draw(0.15, 0.2), draw(0.3, 0.42)
    floor, cab, high = wheel + 0.12, draw(0.17, 0.25), draw(0.16, 0.22)
    bonnet = draw(0.15, 0.22) if draw.chance(0.4) else 0.04
    front, belt = 1.0 - 2 * bonnet, floor + 2 * high
    toy.block((0, 0, floor), (1.0, 0.75 * width, 0.07))
    toy.block((front - cab + bonnet, 0, floor + high), (cab + bonnet, 0.95 * width, high))
    toy.cabin((front - cab, 0, belt + high), (cab, 0.93 * width, high), (draw(0.7, 0.9), 0.9), -0.12)
    rear, gap = -1.0, front - 2 * cab - draw(0.04, 0.12)
    middle, half = (rear + gap) / 2, (gap - rear) / 2
    tall = draw(0.36, 0.52)
    kind = instance % 5
    if kind == 0:  # box
        toy.block((middle, 0, floor + 0.07 + tall), (half, width, tall))
    elif kind == 1:  # tank
        barrel = draw(0.3, 0.4)
        toy.limb((rear, 0, floor + 0.1 + barrel), (gap, 0, floor + 0.1 + barrel), barrel)
    elif kind == 2:  # tipper
        tip = draw(0, 22)
        lift = half * np.sin(np.radians(tip))
        toy.block((middle, 0, floor + 0.25 + lift), (half, width, 0.2), top=(1.12, 1.1), pitch=tip)
    elif kind == 3:  # logs
        for y, z in ((-0.19, 0.25), (0.19, 0.25), (0.0, 0.55)):
            toy.limb((rear, y, floor + z), (gap, y, floor + z), draw(0.15, 0.19))
        toy.block((gap, 0, floor + 0.3), (0.03, width, 0.3))
    else:  # crane
        toy.block((middle, 0, floor + 0.15), (half, width, 0.1))
        toy.block((middle - 0.2, 0, floor + 0.4), (0.2, 0.2, 0.2))
        toy.limb((middle - 0.3, 0, floor + 0.4), (front, 0, belt + 2 * high + draw(0.1, 0.3)), 0.08)
    axles = [-0.75, -0.75 + 2.2 * wheel] if draw.chance(0.6) else [-0.65]
    toy.wheels([front - cab, *axles], width, wheel, draw(0.12, 0.2))


def _car(toy: Toy, draw: _Draw, instance: int) -> None:
    """A low body, a cabin, four wheels: saloon, estate, sports car, beetle or open car."""
    wheel, width = draw(0.17, 0.23), draw(0.38, 0.46)
    low = draw(0.13, 0.17)
    body = 0.7 * wheel + low
    toy.block(
        (0, 0, body), (1.0, width, low), top=(draw(0.94, 1.0), draw(0.9, 0.98)), shift=draw(-0.02, 0.03)
    )
    belt, high, kind = body + low, draw(0.11, 0.16), instance % 5
    if kind == 0:  # saloon
        toy.cabin((-0.1, 0, belt + high), (0.6, 0.9 * width, high), (draw(0.5, 0.62), 0.8), -0.06)
    elif kind == 1:  # estate
        toy.cabin((-0.25, 0, belt + high), (0.74, 0.92 * width, high), (draw(0.72, 0.82), 0.85), -0.14)
    elif kind == 2:  # sports car
        toy.cabin(
            (-0.2, 0, belt + 0.8 * high), (0.55, 0.85 * width, 0.8 * high), (draw(0.4, 0.5), 0.75), -0.15
        )
        toy.block((-0.9, 0, belt + 0.12), (0.1, width, 0.03))
        toy.block((-0.9, 0, belt + 0.05), (0.05, 0.6 * width, 0.06))
    elif kind == 3:  # beetle
        toy.ellipsoid((0.5, 0, body + 0.5 * low), (0.55, 0.8 * width, 1.4 * low))
        toy.ellipsoid((-0.25, 0, belt - 0.05), (draw(0.65, 0.75), 0.85 * width, 2.4 * high))
    else:  # open car
        paint, toy.albedo = toy.albedo, GLASS
        toy.block((-0.2, 0, belt), (0.45, 0.8 * width, 0.01))
        toy.block((0.28, 0, belt + 0.1), (0.03, 0.85 * width, 0.12), shift=-3.0)
        toy.albedo = paint
        toy.block((-0.5, 0, belt + 0.08), (0.12, 0.75 * width, 0.1), shift=-0.5)
    toy.wheels([draw(0.55, 0.66), -draw(0.55, 0.66)], 0.93 * width, wheel, 0.16)
