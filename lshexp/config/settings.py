"""Settings as trees: dotted keys, merging, and keys that are given twice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lshexp.config.nodes import Node, Problems


def nested(key: str, node: Node) -> Node:
    """Return the value that setting a dotted key gives to its first part: for `lsh.K`, the map {K: node}.

    A dataset given by its name alone becomes the map {name: node}.
    """
    path = key.split(".")[1:]
    if key == "dataset" and not isinstance(node.value, (dict, list)):
        path = ["name"]
    for part in reversed(path):
        node = Node({part: node}, node.where, node.mark, node.key_mark)
    return node


def merge(base: Node, over: Node) -> Node:
    """Lay `over` on `base`: maps are merged key by key, anything else is replaced.

    Two maps with different `name`s describe different things, a dataset and another one; the later replaces
    the earlier, so that no option of the one is taken for an option of the other.
    """
    if not isinstance(base.value, dict) or not isinstance(over.value, dict):
        return over
    one, other = base.value.get("name"), over.value.get("name")
    if one and other and one.plain() != other.plain():
        return over
    entries = dict(base.value)
    for key, node in over.value.items():
        entries[key] = merge(entries[key], node) if key in entries else node
    return Node(entries, over.where, over.mark, over.key_mark)


def leaves(key: str, node: Node) -> Iterator[tuple[str, Node]]:
    """Yield the dotted keys that setting `key` to `node` decides, each with its value."""
    head, value = key.partition(".")[0], nested(key, node)
    pending = [(head, value)]
    while pending:
        name, item = pending.pop()
        if isinstance(item.value, dict) and item.value:
            pending += [(f"{name}.{part}", child) for part, child in item.value.items()]
        else:
            yield name, item


def report_twice(assignments: Iterable[tuple[str, Iterable[Node]]], problems: Problems) -> None:
    """Record every key that two assignments decide; an assignment is a key and the values it may take.

    Deciding `lsh` as a whole and deciding `lsh.K` clash too.
    """
    seen: dict[str, Node] = {}
    above: dict[str, Node] = {}  # every proper prefix of the keys seen
    for key, values in assignments:
        decided = dict(leaf for value in values for leaf in leaves(key, value))
        for name, node in decided.items():
            candidates = [above.get(name), *(seen.get(part) for part in (name, *_prefixes(name)))]
            clash = next((first for first in candidates if first), None)
            if clash:
                problems.at_key(node, f"'{name}' is given twice; the other is at {clash.key_mark}")
        seen |= decided
        above |= {prefix: node for name, node in decided.items() for prefix in _prefixes(name)}


def _prefixes(key: str) -> list[str]:
    parts = key.split(".")
    return [".".join(parts[:n]) for n in range(1, len(parts))]
