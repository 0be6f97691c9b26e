"""A ray caster for toys made of ellipsoids, cylinders and blocks, that stand on a table under one lamp.

Every solid is a unit solid under an affine map, so a ray is taken into the solid's own coordinates, where the
intersection is simple. A picture depends on its arguments alone, not on the others of its batch.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from lshexp.kernels.rng import mix, uniform

ELLIPSOID, CYLINDER, BLOCK = 0, 1, 2
# Columns of a solid: kind, centre (3), inverse map by rows (9), radius of a sphere around it, narrowing of a
# block's top by x and by y, shift of its top along x, reflected share of the light.
SOLID_COLUMNS = 18
# Columns of a lamp: direction towards it (3), its strength, strength of the light from everywhere.
LAMP_COLUMNS = 5
# Columns of a camera: place (3), then the vectors to the right, down and forward; the picture is the square
# from -1 to 1 of right and down.
CAMERA_COLUMNS = 12
FINER = 2  # rays a pixel, each way
NEAREST = 1e-6


@njit(parallel=False, cache=True, fastmath=False)
def into(solid, x, y, z):
    """Take a vector into the coordinates of a solid."""
    return (
        solid[4] * x + solid[5] * y + solid[6] * z,
        solid[7] * x + solid[8] * y + solid[9] * z,
        solid[10] * x + solid[11] * y + solid[12] * z,
    )


@njit(parallel=False, cache=True, fastmath=False)
def faces(solid, x, y, z, ends):
    """How far a point is outside each of a block's six faces; of a direction (ends = 0): how fast it leaves.

    In its own coordinates a block is |z| <= 1, |y| <= 1 - narrow_y * h, |x - shift * h| <= 1 - narrow_x * h
    with h = (z + 1) / 2.
    """
    h = 0.5 * (z + ends)
    width, depth, middle = ends - solid[14] * h, ends - solid[15] * h, solid[16] * h
    return x - middle - width, middle - x - width, y - depth, -y - depth, z - ends, -z - ends


@njit(parallel=False, cache=True, fastmath=False)
def entry(solid, ox, oy, oz, dx, dy, dz):
    """Return where a ray from o along d, in the solid's coordinates, enters it: t > 0, or infinity."""
    kind = solid[0]
    if kind == BLOCK:
        first, last = -np.inf, np.inf
        for outside, speed in zip(faces(solid, ox, oy, oz, 1.0), faces(solid, dx, dy, dz, 0.0)):  # noqa: B905
            if speed == 0:
                if outside > 0:
                    return np.inf
            elif speed < 0:
                first = max(first, -outside / speed)
            else:
                last = min(last, -outside / speed)
        return first if NEAREST < first <= last else np.inf
    flat = kind == CYLINDER
    a = dx * dx + dy * dy + (0.0 if flat else dz * dz)
    b = ox * dx + oy * dy + (0.0 if flat else oz * dz)
    c = ox * ox + oy * oy + (0.0 if flat else oz * oz) - 1
    inside = b * b - a * c
    if inside < 0:
        return np.inf
    first = (-b - np.sqrt(inside)) / a if a > 0 else -np.inf
    if flat and (a == 0 or abs(oz + first * dz) > 1):  # not through the side: through an end, if at all
        if dz == 0:
            return np.inf
        first = (-oz - np.sign(dz)) / dz
        x, y = ox + first * dx, oy + first * dy
        if x * x + y * y > 1:
            return np.inf
    return first if first > NEAREST else np.inf


@njit(parallel=False, cache=True, fastmath=False)
def facing(solid, x, y, z):
    """Return the outward unit normal, in the world, at a surface point in the solid's coordinates."""
    kind = solid[0]
    if kind == BLOCK:
        nx, ny, nz, most = 0.0, 0.0, 0.0, -np.inf
        for face, outside in enumerate(faces(solid, x, y, z, 1.0)):
            if outside > most:
                most, sign = outside, 1.0 if face % 2 == 0 else -1.0
                if face < 2:
                    nx, ny, nz = sign, 0.0, 0.5 * (solid[14] - sign * solid[16])
                elif face < 4:
                    nx, ny, nz = 0.0, sign, 0.5 * solid[15]
                else:
                    nx, ny, nz = 0.0, 0.0, sign
    elif kind == CYLINDER and abs(z) > np.sqrt(x * x + y * y):
        nx, ny, nz = 0.0, 0.0, np.sign(z)
    else:
        nx, ny, nz = x, y, 0.0 if kind == CYLINDER else z
    wx = solid[4] * nx + solid[7] * ny + solid[10] * nz  # normals map by the transposed inverse
    wy = solid[5] * nx + solid[8] * ny + solid[11] * nz
    wz = solid[6] * nx + solid[9] * ny + solid[12] * nz
    size = np.sqrt(wx * wx + wy * wy + wz * wz)
    return wx / size, wy / size, wz / size


@njit(parallel=False, cache=True, fastmath=False)
def shaded(solids, own, x, y, z, lx, ly, lz):
    """Tell whether another solid than `own` lies between a point and the lamp."""
    for s in range(len(solids)):
        solid = solids[s]
        px, py, pz = x - solid[1], y - solid[2], z - solid[3]
        along = px * lx + py * ly + pz * lz
        off = px * px + py * py + pz * pz - along * along
        if s == own or along > solid[13] or off > solid[13] * solid[13]:
            continue  # the solid is behind the point, or the ray misses the sphere around it
        ox, oy, oz = into(solid, px, py, pz)
        dx, dy, dz = into(solid, lx, ly, lz)
        if entry(solid, ox, oy, oz, dx, dy, dz) < np.inf:
            return True
    return False


@njit(parallel=False, cache=True, fastmath=False)
def nearest_solids(solids, camera, distance, which):
    """Find the solid that each ray of a picture meets first.

    Symbols: S solids, R rays a side.

    Parameters
    ----------
    solids : float64[S, SOLID_COLUMNS]
    camera : float64[CAMERA_COLUMNS]
    distance : float64[R, R], out       along the ray, in lengths of its direction; infinity without a hit
    which : int64[R, R], out            number of the solid, -1 without a hit
    """
    rays = len(distance)
    distance[:] = np.inf
    which[:] = -1
    right, down, ahead = camera[3:6], camera[6:9], camera[9:12]
    for s in range(len(solids)):
        solid = solids[s]
        px, py, pz = solid[1] - camera[0], solid[2] - camera[1], solid[3] - camera[2]
        # the rectangle that the sphere around the solid can reach in the picture
        ratio_right, ratio_down = np.sum(right * right), np.sum(down * down)
        depth = (px * ahead[0] + py * ahead[1] + pz * ahead[2]) / np.sum(ahead * ahead)
        u = (px * right[0] + py * right[1] + pz * right[2]) / ratio_right / depth
        v = (px * down[0] + py * down[1] + pz * down[2]) / ratio_down / depth
        reach_u = 1.2 * solid[13] / np.sqrt(ratio_right) / depth  # 1.2: spheres off the axis look longer
        reach_v = 1.2 * solid[13] / np.sqrt(ratio_down) / depth
        r_low, r_high = span(v - reach_v, v + reach_v, rays)
        c_low, c_high = span(u - reach_u, u + reach_u, rays)
        ox, oy, oz = into(solid, -px, -py, -pz)
        rx, ry, rz = into(solid, right[0], right[1], right[2])
        bx, by, bz = into(solid, down[0], down[1], down[2])
        ax, ay, az = into(solid, ahead[0], ahead[1], ahead[2])
        for r in range(r_low, r_high):
            j = (2 * r + 1) / rays - 1
            for c in range(c_low, c_high):
                i = (2 * c + 1) / rays - 1
                t = entry(solid, ox, oy, oz, ax + i * rx + j * bx, ay + i * ry + j * by, az + i * rz + j * bz)
                if t < distance[r, c]:
                    distance[r, c] = t
                    which[r, c] = s


@njit(parallel=False, cache=True, fastmath=False)
def span(low, high, rays):
    """Rays whose place in -1..1 may lie between low and high: first, and one after the last."""
    first = int(np.floor((min(max(low, -1.0), 1.0) + 1) * 0.5 * rays))
    last = int(np.ceil((min(max(high, -1.0), 1.0) + 1) * 0.5 * rays))
    return max(first - 1, 0), min(last + 1, rays)


@njit(parallel=False, cache=True, fastmath=False)
def light(solids, s, x, y, z, lamp, table):
    """Return the light that a point of solid s, or of the table (s = -1), sends to the camera."""
    if s < 0:
        nx, ny, nz, share = 0.0, 0.0, 1.0, table
    else:
        solid = solids[s]
        hx, hy, hz = into(solid, x - solid[1], y - solid[2], z - solid[3])
        nx, ny, nz = facing(solid, hx, hy, hz)
        share = solid[17]
    direct = nx * lamp[0] + ny * lamp[1] + nz * lamp[2]
    if direct > 0 and not shaded(solids, s, x, y, z, lamp[0], lamp[1], lamp[2]):
        return share * (lamp[4] * (0.75 + 0.25 * nz) + lamp[3] * direct)
    return share * lamp[4] * (0.75 + 0.25 * nz)  # light from everywhere is stronger from above


@njit(parallel=False, cache=True, fastmath=False)
def picture(solids, ground, camera, lamp, table, distance, which, image):
    """Render one picture: 0 black to 1 white, not cut.

    Symbols: S solids, H pixels a side, R = FINER * H.

    Parameters
    ----------
    solids : float64[S, SOLID_COLUMNS]
    ground : float                      height of the table, a plane z = ground
    camera : float64[CAMERA_COLUMNS]    above the table, looking down on it
    lamp : float64[LAMP_COLUMNS]
    table : float                       share of the light that the table reflects
    distance, which : float64, int64[R, R], scratch
    image : float32[H, H], out
    """
    nearest_solids(solids, camera, distance, which)
    rays = len(distance)
    image[:] = 0
    for r in range(rays):
        for c in range(rays):
            i, j = (2 * c + 1) / rays - 1, (2 * r + 1) / rays - 1
            dx = camera[9] + i * camera[3] + j * camera[6]
            dy = camera[10] + i * camera[4] + j * camera[7]
            dz = camera[11] + i * camera[5] + j * camera[8]
            t = distance[r, c] if which[r, c] >= 0 else (ground - camera[2]) / dz
            x, y, z = camera[0] + t * dx, camera[1] + t * dy, camera[2] + t * dz
            ray = light(solids, which[r, c], x, y, z, lamp, table)
            image[r // FINER, c // FINER] += np.float32(ray / (FINER * FINER))


@njit(parallel=True, cache=True, fastmath=False)
def stereo_pairs(key, solids, starts, grounds, scenes, cameras, lamps, table, noise, images):
    """Render pairs of pictures of one toy each, add the noise of a film, and round to steps of 1/255.

    Symbols: n pairs, T toys, H pixels a side.

    Parameters
    ----------
    key : uint64                        of the noise; its numbers depend on the columns of `scenes` too
    solids : float64[S, SOLID_COLUMNS]
    starts : int64[T + 1]               toy t is solids[starts[t]:starts[t + 1]]
    grounds : float64[T]                height of the table under each toy
    scenes : int64[n, 3]                toy, place of the cameras, lamp
    cameras : float64[P, 2, CAMERA_COLUMNS]
    lamps : float64[Q, LAMP_COLUMNS]
    table : float                       share of the light that the table reflects
    noise : float                       half width of the noise, triangular
    images : float32[n, 2, H, H], out   0 to 1
    """
    side = images.shape[2]
    for n in prange(len(scenes)):
        toy, place, lamp = scenes[n]
        own = mix(mix(mix(key, toy), place), lamp)
        parts = solids[starts[toy] : starts[toy + 1]]
        distance = np.empty((FINER * side, FINER * side))
        which = np.empty((FINER * side, FINER * side), np.int64)
        for eye in range(2):
            image, camera = images[n, eye], cameras[place, eye]
            picture(parts, grounds[toy], camera, lamps[lamp], table, distance, which, image)
            for r in range(side):
                for c in range(side):
                    counter = 2 * ((eye * side + r) * side + c)
                    grain = uniform(mix(own, counter)) - uniform(mix(own, counter + 1))
                    level = min(max(image[r, c] + noise * grain, 0.0), 1.0)
                    image[r, c] = np.float32(np.floor(255 * level + 0.5)) / np.float32(255)
