import random
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from contract.messages import SeqRange
from contract.seq_ranges import below, holds, minus, place_of, ranges_of, union

SEQS = st.sets(st.integers(0, 60))
SETS = st.sets(st.integers(0, 30))


def numbers(ranges: tuple[SeqRange, ...]) -> set[int]:
    return {seq for first, last in ranges for seq in range(first, last + 1)}


@given(seqs=SEQS)
def test_a_number_is_held_if_a_range_has_it(seqs: set[int]) -> None:
    ranges = union((), ((seq, seq) for seq in seqs))
    assert {seq for seq in range(-1, 62) if holds(ranges, seq)} == seqs


@given(seqs=SEQS, more=SEQS.filter(bool))
def test_only_the_ranges_of_the_place_change(seqs: set[int], more: set[int]) -> None:
    before = union((), ((seq, seq) for seq in seqs))
    place = place_of(before, min(more), max(more))
    between = union(before[place], ((seq, seq) for seq in more))
    after = (*before[: place.start], *between, *before[place.stop :])
    assert after == union((), ((seq, seq) for seq in seqs | more))


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)).map(lambda r: (min(r), max(r)))))
def test_merged_ranges_hold_what_the_parts_held(parts: list[tuple[int, int]]) -> None:
    random.Random(1).shuffle(parts)
    together = union(parts[: len(parts) // 2], parts[len(parts) // 2 :])
    assert [n for a, b in together for n in range(a, b + 1)] == sorted(
        {n for a, b in parts for n in range(a, b + 1)}
    )
    assert all(b[0] > a[1] + 1 for a, b in pairwise(together))


@given(one=SETS, other=SETS, end=st.integers(0, 31))
def test_ranges_are_sets(one: set[int], other: set[int], end: int) -> None:
    a, b = ranges_of(sorted(one)), ranges_of(sorted(other))
    assert numbers(a) == one
    assert union(a, b) == ranges_of(sorted(one | other))
    assert minus(a, b) == ranges_of(sorted(one - other))
    assert below(a, end) == ranges_of(sorted(seq for seq in one if seq < end))
