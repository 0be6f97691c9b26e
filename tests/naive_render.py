"""Plain NumPy twins of the ray caster: all surfaces of all solids are met by all rays at once."""

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


def into(solid, vector):
    return solid[4:13].reshape(3, 3) @ vector


def faces(solid, point, ends):
    """n . p - limit at each face, for a point (ends = 1), and n . d for a direction (ends = 0)."""
    normals, limits = block_planes(solid)
    return normals @ point - ends * limits


def entry(solid, o, d):
    """The nearest surface in front of the ray's start."""
    rays = np.array([o]), np.array([d])
    return min(t[0] if t[0] > 1e-6 else np.inf for t, _ in surfaces(solid, *rays))


def facing(solid, point):
    x, y, z = point
    if solid[0] == BLOCK:
        normal = block_planes(solid)[0][np.argmax(faces(solid, point, 1))]
    elif solid[0] == ELLIPSOID:
        normal = np.array(point)
    else:
        normal = np.array([0, 0, np.sign(z)]) if z * z > x * x + y * y else np.array([x, y, 0])
    normal = normal @ solid[4:13].reshape(3, 3)
    return normal / np.linalg.norm(normal)


def shaded(solids, own, point, towards):
    return first_hits(solids, np.array([point]), np.array([towards]), np.array([own]))[1][0] >= 0


def span(low, high, rays):
    """Rays between two places of -1..1, and one more at either end."""
    first, last = (np.clip([low, high], -1, 1) + 1) * rays / 2
    return max(int(first // 1) - 1, 0), min(int(-(-last // 1)) + 1, rays)


def light(solids, s, point, lamp, table):
    if s < 0:
        normal, share = np.array([0, 0, 1.0]), table
    else:
        normal, share = facing(solids[s], into(solids[s], point - solids[s][1:4])), solids[s][17]
    direct = 0 if shaded(solids, s, point, lamp[:3]) else max(0, normal @ lamp[:3])
    return share * (lamp[4] * (0.75 + 0.25 * normal[2]) + lamp[3] * direct)


def block_planes(solid):
    """Normals and limits of a block's six faces."""
    narrow_x, narrow_y, shift = solid[14:17]
    # each face is normal . p <= limit, from |x - shift h| <= 1 - narrow_x h and so on with h = (z + 1) / 2
    normals = np.array(
        [
            [1, 0, (narrow_x - shift) / 2], [-1, 0, (narrow_x + shift) / 2], [0, 1, narrow_y / 2],
            [0, -1, narrow_y / 2], [0, 0, 1], [0, 0, -1],
        ]
    )  # fmt: skip
    return normals, np.array([1, 1, 1, 1, 1, 1]) - normals[:, 2] * [1, 1, 1, 1, 0, 0]


def block_faces(solid, o, d):
    normals, limits = block_planes(solid)
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


def rays_of(camera, rays):
    steps = (2 * np.arange(rays) + 1) / rays - 1
    place, right, down, ahead = camera.reshape(4, 3)
    d = (ahead + steps[:, None, None] * down + steps[None, :, None] * right).reshape(-1, 3)
    return np.broadcast_to(place, d.shape), d


def nearest_solids(solids, camera, rays):
    t, which, _ = first_hits(solids, *rays_of(camera, rays))
    return t.reshape(rays, rays), which.reshape(rays, rays)


def picture(solids, ground, camera, lamp, table, side):
    o, d = rays_of(camera, 2 * side)
    place = camera[:3]
    t, which, normals = first_hits(solids, o, d)
    t = np.where(which < 0, (ground - place[2]) / d[:, 2], t)
    points = o + t[:, None] * d
    shares = np.append(solids[:, 17], table)  # -1 is the table
    shade = first_hits(solids, points, np.broadcast_to(lamp[:3], d.shape), which)[1] >= 0
    direct = np.maximum(normals @ lamp[:3], 0) * ~shade
    grey = shares[which] * (lamp[4] * (0.75 + 0.25 * normals[:, 2]) + lamp[3] * direct)
    return grey.reshape(side, 2, side, 2).mean(axis=(1, 3))


def stereo_pairs(key, solids, starts, grounds, scenes, cameras, lamps, table, noise, side):
    pairs = []
    for scene in scenes:
        toy, place, lamp = scene
        parts = solids[starts[toy] : starts[toy + 1]]
        more = table, noise, side
        pairs.append(stereo_pair(key, parts, grounds[toy], scene, cameras[place], lamps[lamp], *more))
    return np.array(pairs).reshape(len(scenes), 2, side, side)


def stereo_pair(key, solids, ground, scene, cameras, lamp, table, noise, side):
    """One pair: float64[2, side, side]."""
    own = key
    for number in scene:
        own = mix(own, int(number))
    grain = [uniform(mix(own, 2 * k)) - uniform(mix(own, 2 * k + 1)) for k in range(2 * side * side)]
    clean = np.array([picture(solids, ground, camera, lamp, table, side) for camera in cameras])
    level = np.clip(clean + noise * np.reshape(grain, clean.shape), 0, 1)
    return np.floor(255 * level + 0.5) / 255
