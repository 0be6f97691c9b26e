"""Plain twins of the kernels that parse text of sparse rows; NumPy only."""

from __future__ import annotations

import numpy as np


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
