"""Plain NumPy twin of the ray caster: all surfaces of all solids are met by all rays at once."""

import numpy as np
from naive import mix, uniform

ELLIPSOID, CYLINDER, BLOCK = 0, 1, 2


def surfaces(solid, o, d):
    """Pairs (t, normal there) where rays o + t d, in the solid's coordinates, may enter it; inf: not."""
    with np.errstate(all="ignore"):
        if solid[0] == BLOCK:
            yield from block_faces(solid, o, d)
            return
        axes = 3 if solid[0] == ELLIPSOID else 2
        a, b, c = (d[:, :axes] ** 2).sum(1), (o * d)[:, :axes].sum(1), (o[:, :axes] ** 2).sum(1) - 1
        t = (-b - np.sqrt(b * b - a * c)) / a
        p = o + t[:, None] * d
        normal = p * ([1, 1, 1] if axes == 3 else [1, 1, 0])
        yield np.where((np.abs(p[:, 2]) <= 1) & np.isfinite(t), t, np.inf), normal
        if axes == 2:
            for end in (-1, 1):
                t = (end - o[:, 2]) / d[:, 2]
                p = o + t[:, None] * d
                ok = (p[:, 0] ** 2 + p[:, 1] ** 2 <= 1) & (d[:, 2] * end < 0)
                yield np.where(ok, t, np.inf), np.broadcast_to([0.0, 0, end], p.shape)


def block_faces(solid, o, d):
    narrow_x, narrow_y, shift = solid[14:17]
    # each face is normal . p <= limit, from |x - shift h| <= 1 - narrow_x h and so on with h = (z + 1) / 2
    normals = np.array(
        [
            [1, 0, (narrow_x - shift) / 2], [-1, 0, (narrow_x + shift) / 2], [0, 1, narrow_y / 2],
            [0, -1, narrow_y / 2], [0, 0, 1], [0, 0, -1],
        ]
    )  # fmt: skip
    limits = np.array([1, 1, 1, 1, 1, 1]) - normals[:, 2] * [1, 1, 1, 1, 0, 0]
    for face, (normal, limit) in enumerate(zip(normals, limits, strict=True)):
        t = (limit - o @ normal) / (d @ normal)
        p = o + t[:, None] * d
        others = np.arange(6) != face
        ok = (p @ normals[others].T <= limits[others] + 1e-9).all(1) & (d @ normal < 0)
        yield np.where(ok, t, np.inf), np.broadcast_to(normal, p.shape)


def first_hits(solids, o, d, without=None):
    """Nearest entry of each ray into any solid: t, number of the solid (-1 for none), unit normal."""
    best, which = np.full(len(d), np.inf), np.full(len(d), -1)
    normals = np.tile([0.0, 0.0, 1.0], (len(d), 1))
    for s, solid in enumerate(solids):
        inverse = solid[4:13].reshape(3, 3)
        for t, normal in surfaces(solid, (o - solid[1:4]) @ inverse.T, d @ inverse.T):
            nearer = (t > 1e-6) & (t < best)
            if without is not None:
                nearer &= without != s
            best[nearer], which[nearer] = t[nearer], s
            normals[nearer] = normal[nearer] @ inverse
    return best, which, normals / np.linalg.norm(normals, axis=1, keepdims=True)


def picture(solids, ground, camera, lamp, table, side):
    rays = 2 * side
    steps = (2 * np.arange(rays) + 1) / rays - 1
    place, right, down, ahead = camera.reshape(4, 3)
    d = (ahead + steps[:, None, None] * down + steps[None, :, None] * right).reshape(-1, 3)
    o = np.broadcast_to(place, d.shape)
    t, which, normals = first_hits(solids, o, d)
    t = np.where(which < 0, (ground - place[2]) / d[:, 2], t)
    points = o + t[:, None] * d
    share = np.where(which < 0, table, solids[which, 17])
    shade = first_hits(solids, points, np.broadcast_to(lamp[:3], d.shape), which)[1] >= 0
    direct = np.maximum(normals @ lamp[:3], 0) * ~shade
    grey = share * (lamp[4] * (0.75 + 0.25 * normals[:, 2]) + lamp[3] * direct)
    return grey.reshape(side, 2, side, 2).mean(axis=(1, 3))


def stereo_pair(key, solids, ground, scene, cameras, lamp, table, noise, side):
    """One pair: float64[2, side, side]."""
    own = key
    for number in scene:
        own = mix(own, int(number))
    grain = [uniform(mix(own, 2 * k)) - uniform(mix(own, 2 * k + 1)) for k in range(2 * side * side)]
    clean = np.array([picture(solids, ground, camera, lamp, table, side) for camera in cameras])
    level = np.clip(clean + noise * np.reshape(grain, clean.shape), 0, 1)
    return np.floor(255 * level + 0.5) / 255
