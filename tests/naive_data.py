"""Plain NumPy twins of the kernels that draw datasets, and of those that parse text of sparse rows."""

import numpy as np
from naive import mix, uniform


class Draws:
    """Successive uniform numbers of a key."""

    def __init__(self, key, counter=0):
        self.key, self.counter = key, counter

    def uniform(self):
        self.counter += 1
        return uniform(mix(self.key, self.counter - 1))

    def integer(self, low, high):
        self.counter += 1
        return integer(mix(self.key, self.counter - 1), low, high)


def integer(bits, low, high):
    return low + int(uniform(bits) * (high - low + 1))


def balanced_label(key, i):
    return (i & 1) ^ (mix(key, i >> 1) & 1)


def example_key(key, i):
    return mix(mix(key, 0x5348415045), i)


def draws_of(key, i):
    return Draws(example_key(key, i))


def rectangle(key, shortest, longest, difference, wide):
    """Height, width and the numbers used: two sides a try until they differ enough."""
    sides = [
        [integer(mix(key, 2 * k + side), shortest, longest) for side in (0, 1)] for k in range(1000)
    ]  # far more tries than are needed
    tries = next(k for k, (a, b) in enumerate(sides) if abs(a - b) >= difference)
    height, width = sorted(sides[tries], reverse=not wide)
    return height, width, 2 * tries + 2


def outline(key, difference, i, side):
    """One image and label, drawn as a filled rectangle less its inside."""
    label, draws = balanced_label(key, i), draws_of(key, i)
    height, width, draws.counter = rectangle(draws.key, 1, side, difference, label == 1)
    top, left = draws.integer(0, side - height), draws.integer(0, side - width)
    rows, columns = np.indices((side, side))
    depth = np.minimum(
        np.minimum(rows - top, top + height - 1 - rows),
        np.minimum(columns - left, left + width - 1 - columns),
    )
    return (depth == 0).astype(np.float32), label


def batch_of(one, start, count, side):
    """Images float32[n, S, S] and labels of the examples from `start` on."""
    pairs = [one(start + n) for n in range(count)]
    images = np.array([image for image, _ in pairs], np.float32).reshape(count, side, side)
    return images, [int(label) for _, label in pairs]


def rectangle_outlines(key, difference, start, count, side):
    return batch_of(lambda i: outline(key, difference, i, side), start, count, side)


def convex_images(key, stop, fewest_pixels, fewest_cuts_of_parts, start, count, side):
    def one(i):
        return convex_image(key, stop, fewest_pixels, fewest_cuts_of_parts, i, side)

    return batch_of(one, start, count, side)


def convex_image(key, stop, fewest_pixels, fewest_cuts_of_parts, i, side):
    """One image and label, each half-plane tested pixel by pixel."""
    label, draws = balanced_label(key, i), draws_of(key, i)
    if label == 1:
        return convex_set(draws, 1, stop, fewest_pixels, side).astype(np.float32), label
    union = np.zeros((side, side), bool)
    while not has_gap(union):
        union[:] = False
        for _ in range(draws.integer(2, 4)):
            union |= convex_set(draws, fewest_cuts_of_parts, stop, fewest_pixels, side)
    return union.astype(np.float32), label


def cut(key, counter, inside):
    """The pixels left of a set bool[S, S], their number, and the next unused counter."""
    draws = Draws(key, counter)
    inside = inside & half_plane(draws, len(inside))
    return inside, inside.sum(), draws.counter


def half_plane(draws, side):
    rows, columns = np.indices((side, side))
    across = down = 2.0
    while across * across + down * down > 1:
        across, down = 2 * draws.uniform() - 1, 2 * draws.uniform() - 1
    x, y = side * draws.uniform() - 0.5, side * draws.uniform() - 0.5
    return across * (columns - x) + down * (rows - y) >= 0


def add_convex_set(key, counter, fewest_cuts, stop, fewest_pixels, image):
    """The image with the set added, and the next unused counter."""
    draws = Draws(key, counter)
    inside = convex_set(draws, fewest_cuts, stop, fewest_pixels, len(image))
    return np.where(inside, 1, image), draws.counter


def convex_set(draws, fewest_cuts, stop, fewest_pixels, side):
    while True:
        inside, cuts = np.ones((side, side), bool), 0
        while inside.sum() >= fewest_pixels:
            inside &= half_plane(draws, side)
            cuts += 1
            if cuts >= fewest_cuts and draws.uniform() < stop:
                break
        if inside.sum() >= fewest_pixels:
            return inside


def has_gap(image):
    """A pixel of the set, a step, a pixel outside, and further steps on, a pixel of the set again."""
    side = len(image)
    for down in range(side):
        for across in range(-side + 1, side):
            if np.gcd(down, across) != 1 or (down, across) < (0, 1):
                continue
            for row, column in np.argwhere(image):
                run = []
                while 0 <= row < side and 0 <= column < side:
                    run.append(bool(image[row, column]))
                    row, column = row + down, column + across
                if any(not run[k] and any(run[k:]) for k in range(len(run))):
                    return True
    return False


def rectangle_patches(key, textures, shortest, difference, start, count, side):
    def one(i):
        return patched(key, textures, shortest, difference, i, side)

    return batch_of(one, start, count, side)


def patched(key, textures, shortest, difference, i, side):
    """One image and label, the rectangle chosen by a mask."""
    label, draws = balanced_label(key, i), draws_of(key, i)
    height, width, draws.counter = rectangle(draws.key, shortest, side, difference, label == 1)
    top, left = draws.integer(0, side - height), draws.integer(0, side - width)
    background = copy_patch(draws.key, draws.counter, textures, (side, side))
    image = np.full((side, side), np.nan, np.float32)
    inside = copy_patch(draws.key, draws.counter + 3, textures, (height, width))
    image[top : top + height, left : left + width] = inside
    return np.where(np.isnan(image), background, image), label


def copy_patch(key, counter, textures, shape):
    """The patch of that shape."""
    draws = Draws(key, counter)
    texture = textures[draws.integer(0, len(textures) - 1)]
    top = draws.integer(0, texture.shape[0] - shape[0])
    left = draws.integer(0, texture.shape[1] - shape[1])
    return texture[top : top + shape[0], left : left + shape[1]]


F = np.float32


def deformed_digits(key, digits, fields, most_thickening, farthest, first_round, ids):
    side = digits.shape[1]
    constants = digits, fields, most_thickening, farthest, first_round
    images = [deformed_digit(key, *constants, int(i), side) for i in ids]
    return np.array(images, F).reshape(len(ids), side, side)


def deformed_digit(key, digits, fields, most_thickening, farthest, first_round, i, side):
    """One image: whole-array arithmetic in the kernel's order, so that not a bit differs."""
    version, which = divmod(i, len(digits))
    digit = digits[which]
    if version < first_round:
        return digit.astype(F) / F(255)
    draws, last = draws_of(key, i), fields.shape[1] - side
    down, right = draws.integer(-farthest, farthest), draws.integer(-farthest, farthest)
    across = patch(fields, draws.integer(0, len(fields) - 1), draws, last, side)
    downwards = patch(fields, draws.integer(0, len(fields) - 1), draws, last, side)
    thickening = F(most_thickening * (2 * draws.uniform() - 1))
    return deform(shifted(digit, down, right), across, downwards, thickening)


def patch(fields, which, draws, last, side):
    top, left = draws.integer(0, last), draws.integer(0, last)
    return fields[which, top : top + side, left : left + side]


def shifted(digit, down, right):
    side = len(digit)
    wide = np.pad(digit, side)
    return wide[side - down : 2 * side - down, side - right : 2 * side - right]


def deform(digit, across, down, thickening):
    grey = np.pad(digit.astype(F), 1)
    falling, rising = grey[2:, 2:] - grey[:-2, :-2], grey[:-2, 2:] - grey[2:, :-2]
    gx = F(0.125) * (falling + rising + (grey[1:-1, 2:] - grey[1:-1, :-2]) * F(2))
    gy = F(0.125) * (falling - rising + (grey[2:, 1:-1] - grey[:-2, 1:-1]) * F(2))
    value = grey[1:-1, 1:-1] + across * gx + down * gy
    value = value + thickening * np.sqrt(gx * gx + gy * gy)
    return np.floor(np.clip(value, F(0), F(255)) + F(0.5)) / F(255)


def planted_patterns(key, features, patterns):
    for label, pattern in enumerate(patterns):
        own, found, counter = mix(int(key), label), [], 0
        while len(found) < len(pattern):
            feature = integer(mix(own, counter), 0, features - 1)
            counter += 1
            if feature not in found:
                found.append(feature)
        pattern[:] = found


def planted_examples(key, start, patterns, frequencies, features, extra, noise, labels, columns, counts):
    def label_of(bits):
        return int(np.argmax(frequencies > uniform(bits)))

    for n in range(len(labels)):
        own = example_key(int(key), start + n)
        draws = iter(mix(own, counter) for counter in range(2, 10_000))
        wanted = integer(mix(own, 0), 1, labels.shape[1])
        planted = list(dict.fromkeys(label_of(next(draws)) for _ in range(wanted)))
        found = {int(feature) for label in planted for feature in patterns[label]}
        found |= {integer(next(draws), 0, features - 1) for _ in range(extra)}
        recorded = planted
        if uniform(mix(own, 1)) < noise:
            recorded = []
            for _ in planted:
                label = label_of(next(draws))
                while label in planted or label in recorded:
                    label = (label + 1) % len(frequencies)
                recorded.append(label)
        counts[n] = len(recorded), len(found)
        labels[n, : len(recorded)] = sorted(recorded)
        columns[n, : len(found)] = sorted(found)


def parse_rows(text, first_index, features, ordered, comments, labels, lengths, indices, data, starts):
    content = text.tobytes()
    count = at = 0
    for row, line in enumerate(content.split(b"\n")[: len(labels)]):
        labels[row] = at
        lengths[row] = 0
        kept = line.partition(b"#")[0] if comments else line
        last = -1
        place = 0
        for number, word in enumerate(kept.split()):
            place = kept.index(word, place)
            start = at + place
            place += len(word)
            if number == 0 and b":" not in word:
                labels[row] = start, start + len(word)
                continue
            index, colon, value = word.partition(b":")
            if not (colon and index.isdigit() and set(value) <= set(b"0123456789+-.eE")):
                return count, start, 1
            try:
                with np.errstate(over="ignore"):
                    value = np.float32(float(value))
            except ValueError:
                return count, start, 1
            index = int(index) - first_index
            if not 0 <= index < features:
                return count, start, 1
            if ordered and index <= last:
                return count, start, 2
            last = index
            indices[count], data[count], starts[count] = index, value, start
            count += 1
            lengths[row] += 1
        at += len(line) + 1
    return count, -1, 0


def parse_labels(text, spans, most, lengths, numbers):
    content = text.tobytes()
    found = []
    for row, (start, stop) in enumerate(spans):
        lengths[row] = 0
        words = content[start:stop].split(b",") if stop > start else []
        for word in words:
            if not word.isdigit() or int(word) >= most:
                return len(found), row
            numbers[len(found)] = int(word)
            found.append(word)
            lengths[row] += 1
    return len(found), -1


def deformed_drawings(key, drawings, turn, shift, stretch, ids):
    """Each picture by sampling the drawing, with a border of nothing, between four pixels."""
    side = drawings.shape[1]
    images = []
    for i in ids:
        drawing = drawings[i % len(drawings)].astype(float) / 255
        if i < len(drawings):
            images.append(drawing)
            continue
        draws = draws_of(key, int(i))
        angle, wide, high, shear, right, down = (2 * draws.uniform() - 1 for _ in range(6))
        angle, wide, high, shear = turn * angle, 1 + stretch * wide, 1 + stretch * high, stretch * shear
        y, x = np.indices((side, side)) - (side - 1) / 2
        rows = high * (np.sin(angle) * x + np.cos(angle) * y) + (side - 1) / 2 + shift * down
        columns = wide * (np.cos(angle) * x - np.sin(angle) * y) + shear * y + (side - 1) / 2 + shift * right
        padded = np.pad(drawing, 2 * side)
        top, left = np.floor(rows).astype(int), np.floor(columns).astype(int)
        below, beside = rows - top, columns - left
        top, left = top + 2 * side, left + 2 * side
        images.append(
            (1 - below) * (1 - beside) * padded[top, left]
            + (1 - below) * beside * padded[top, left + 1]
            + below * (1 - beside) * padded[top + 1, left]
            + below * beside * padded[top + 1, left + 1]
        )
    return np.array(images).reshape(len(ids), side, side)
