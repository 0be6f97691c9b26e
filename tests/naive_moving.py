"""Plain twins of grouping by filled columns and of hash tables whose nodes move; numpy and loops only."""

from __future__ import annotations


def column_of(columns, group):
    return columns[group] if len(columns) else group


def group_filled_columns(indptr, indices):
    """Columns in the order met, and of each its rows and the places of its entries."""
    groups = {}
    for b in range(len(indptr) - 1):
        for at in range(indptr[b], indptr[b + 1]):
            rows, places = groups.setdefault(int(indices[at]), ([], []))
            rows.append(b)
            places.append(at)
    return list(groups), [rows for rows, _ in groups.values()], [places for _, places in groups.values()]


def fill_with_room(codes, offsets, n_buckets):
    """Buckets of each table: the nodes in them, in the order that they were put there."""
    tables = []
    for table, offset in enumerate(offsets):
        buckets = [[] for _ in range(n_buckets)]
        for i in range(len(codes)):
            node = (i + offset) % len(codes)
            buckets[codes[node][table]].append(int(node))
        tables.append(buckets)
    return tables


def move_nodes(ids, moved_to, codes, tables):
    """Sets of the nodes of each bucket after the moves; `codes` and `tables` are updated."""
    for node, new in zip(ids, moved_to, strict=True):
        for table, code in enumerate(new):
            tables[table][codes[node][table]].discard(int(node))
            tables[table][code].add(int(node))
            codes[node][table] = code
    return tables
