"""The memory against a plain one that keeps ages as numbers; its searches; and what they count."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lshexp.memory.episodes import by_classes, episodes, live
from lshexp.memory.memory import KeyValueMemory, _Ages, unit
from lshexp.memory.search import NONE, ExactSearch, HashSearch, bits_for, looks_for
from lshexp.memory.sizes import ask, made_up, spread_of
from lshexp.work import LayerWork

D = 12


def vectors(count, seed=0, dimensions=D):
    return unit(np.random.default_rng(seed).standard_normal((count, dimensions)).astype(np.float32))


def hashed(slots, K=3, L=4, probes=8, most=1000, dimensions=D):
    return HashSearch(slots, dimensions, K, L, probes, most, key=5)


class PlainMemory:
    """The rule of Kaiser et al. (2017), word for word; ages grow by one with each example."""

    def __init__(self, slots):
        self.keys, self.values = [np.zeros(D)] * slots, [NONE] * slots
        self.ages = list(range(slots, 0, -1))

    def observe(self, query, value):
        used = [slot for slot, value in enumerate(self.values) if value != NONE]
        answer = NONE
        if used:
            nearest = max(used, key=lambda slot: float(self.keys[slot] @ query))
            answer = self.values[nearest]
        self.ages = [age + 1 for age in self.ages]
        if answer == value:
            mean = self.keys[nearest] + query
            self.keys[nearest], self.ages[nearest] = mean / np.linalg.norm(mean), 0
        else:
            oldest = int(np.argmax(self.ages))
            self.keys[oldest], self.values[oldest], self.ages[oldest] = query, value, 0
        return answer


def streamed(examples, classes, seed):
    random = np.random.default_rng(seed)
    centres, labels = vectors(classes, seed + 1), random.integers(0, classes, examples)
    noise = random.standard_normal((examples, D)).astype(np.float32)
    return unit(centres[labels] + 0.25 * noise), labels


@settings(max_examples=20)
@given(st.integers(1, 12), st.integers(1, 9), st.integers(0, 999))
def test_the_memory_learns_as_the_paper_says(slots, classes, seed):
    memory, plain = KeyValueMemory(slots, D, ExactSearch()), PlainMemory(slots)
    for query, value in zip(*streamed(40, classes, seed), strict=True):
        assert memory.observe(query, int(value)) == plain.observe(query, value)
    np.testing.assert_allclose(memory.keys, np.array(plain.keys), atol=1e-5)
    assert memory.values.tolist() == plain.values
    assert memory.used == sum(value != NONE for value in plain.values)


@settings(max_examples=20)
@given(st.integers(1, 12), st.integers(1, 9), st.integers(0, 999))
def test_tables_that_are_probed_whole_find_what_the_exact_search_finds(slots, classes, seed):
    """Every bucket of every table is looked into, so the only difference can be in upkeep."""
    memory, twin = (KeyValueMemory(slots, D, search) for search in (ExactSearch(), hashed(slots)))
    for query, value in zip(*streamed(40, classes, seed), strict=True):
        assert memory.observe(query, int(value)) == twin.observe(query, int(value))
    np.testing.assert_array_equal(memory.keys, twin.keys)
    np.testing.assert_array_equal(memory.values, twin.values)


@given(st.lists(st.integers(0, 6), max_size=30))
def test_ages_are_the_order_of_the_last_change(changes):
    ages, order = _Ages(7), list(range(7))
    for slot in changes:
        assert ages.oldest == order[0]
        ages.renew(slot)
        order.remove(slot)
        order.append(slot)
    for slot in order:
        assert ages.oldest == slot
        ages.renew(slot)


def test_a_key_is_found_by_itself_and_no_longer_where_it_was():
    search = hashed(50, K=6, L=3, probes=1, most=5)
    memory = KeyValueMemory(50, D, search)
    keys = vectors(50)
    memory.store(keys, np.arange(50, dtype=np.int32))
    assert memory.answer(keys).tolist() == list(range(50))
    moved = vectors(20, seed=9)
    memory.store(moved, np.arange(100, 120, dtype=np.int32))
    assert memory.answer(moved).tolist() == list(range(100, 120))
    assert not set(memory.answer(keys[:20]).tolist()) & set(range(20))
    assert memory.used == 50


def test_an_empty_memory_answers_nothing():
    for search in (ExactSearch(), hashed(8)):
        memory = KeyValueMemory(8, D, search)
        found = memory.nearest(vectors(3))
        assert found.slots.tolist() == [NONE] * 3
        assert not found.looked_at.any()
        assert memory.answer(vectors(3)).tolist() == [NONE] * 3


def test_multiplications_are_those_that_a_twin_does():
    """Counted again: planes times query, and query times each key that is looked at."""
    memory = KeyValueMemory(200, D, hashed(200, K=5, L=4, probes=2, most=20))
    memory.store(vectors(200), np.arange(200, dtype=np.int32))
    assert memory.search.work.tally("rebuild").mults == 200 * D * 5 * 4
    queries = vectors(9, seed=4)
    found = memory.nearest(queries)
    assert memory.search.work.tally("select").mults == D * (9 * 5 * 4 + found.looked_at.sum())
    assert found.looked_at.max() <= 20
    exact = KeyValueMemory(200, D, ExactSearch())
    exact.store(vectors(200), np.arange(200, dtype=np.int32))
    exact.nearest(queries)
    assert exact.search.work.tally("select").mults == 9 * 200 * D
    # the best of the keys looked at, and of all
    cosines = queries @ memory.keys.T
    np.testing.assert_allclose(found.similarities, cosines[np.arange(9), found.slots], rtol=1e-5)
    assert (exact.nearest(queries).slots == cosines.argmax(axis=1)).all()


def test_what_a_write_costs_does_not_grow_with_the_memory():
    costs = []
    for slots in (500, 4000):
        memory = KeyValueMemory(slots, D, hashed(slots, K=8))
        memory.store(vectors(slots), np.zeros(slots, np.int32))
        before = memory.search.work.tally("rebuild")
        for query in vectors(100, seed=3):
            memory.store(query[None], np.zeros(1, np.int32))
        costs.append(memory.search.work.tally("rebuild").less(before))
    assert costs[1].mults == costs[0].mults == 100 * D * 8 * 4
    assert costs[1].bytes < 3 * costs[0].bytes


def test_more_keys_than_slots_are_refused():
    with pytest.raises(ValueError, match="3 keys for 2 slots"):
        KeyValueMemory(2, D, ExactSearch()).store(vectors(3), np.zeros(3, np.int32))


def test_defaults_follow_the_size():
    assert [bits_for(n) for n in (1, 128, 8192, 10**6, 10**9)] == [4, 4, 10, 17, 20]
    assert [looks_for(n) for n in (5, 8192, 10**6)] == [64, 82, 512]


def embedded(classes=8, each=6, spread=0.2):
    random = np.random.default_rng(2)
    drawn = vectors(classes)[:, None] + spread * random.standard_normal((classes, each, D)).astype(np.float32)
    return by_classes(unit(drawn).reshape(classes * each, D), np.repeat(np.arange(classes), each))


def exact_memory(slots):
    return lambda: KeyValueMemory(slots, D, ExactSearch())


def test_episodes_of_well_separated_classes_are_all_right():
    found = episodes(embedded(spread=0.0), 5, 2, 30, exact_memory(10), key=1)
    assert found == (100.0, 0.0, 30)
    hard = episodes(embedded(spread=0.6), 5, 1, 200, exact_memory(5), key=1)
    assert 25 < hard.pct < 80
    assert 0 < hard.half_interval < 6
    again = episodes(embedded(spread=0.6), 5, 1, 200, exact_memory(5), key=1)
    assert again == hard
    with pytest.raises(ValueError, match="there are 8 with 6"):
        episodes(embedded(), 9, 1, 2, exact_memory(9), key=1)


def test_a_life_knows_only_what_it_has_met():
    life = live(embedded(spread=0.0), KeyValueMemory(20, D, ExactSearch()), key=3)
    assert len(life.right) == 48
    assert not life.right[life.seen_before == 0].any()
    assert life.right[life.seen_before > 0].all()
    assert life.after(2).samples == 8


def test_classes_must_stand_together():
    with pytest.raises(ValueError, match="stand together"):
        by_classes(vectors(4), np.array([0, 1, 0, 1]))
    with pytest.raises(ValueError, match="as many examples"):
        by_classes(vectors(3), np.array([0, 0, 1]))


def test_made_up_keys_lie_as_the_embedded_ones_do():
    examples = embedded(classes=60, each=20, spread=0.3)
    drawn = made_up(spread_of(examples), 5000, 20, 300, key=4)
    np.testing.assert_allclose(np.linalg.norm(drawn.keys, axis=1), 1, rtol=1e-5)

    def cosine(rows):  # of members of a class
        return np.einsum("cid,cjd->cij", rows, rows).mean()

    own = cosine(drawn.keys.reshape(250, 20, D))
    assert own == pytest.approx(cosine(examples.vectors), abs=0.05)
    assert (np.bincount(drawn.classes) == 20).all()
    memory = KeyValueMemory(5000, D, ExactSearch())
    memory.store(drawn.keys, drawn.classes)
    asked = ask(memory, drawn.queries, drawn.query_classes, singles=3)
    assert asked.mults == 5000 * D
    assert asked.accuracy.pct > 5  # chance is 0.4
    assert asked.us > 0
    assert asked.us_1 > 0


def test_work_can_be_shared():
    work = LayerWork()
    for _ in range(3):
        KeyValueMemory(4, D, ExactSearch(work)).store(vectors(4), np.zeros(4, np.int32))
    memory = KeyValueMemory(4, D, ExactSearch(work))
    memory.store(vectors(4), np.zeros(4, np.int32))
    memory.nearest(vectors(1))
    assert work.tally("select").mults == 4 * D
