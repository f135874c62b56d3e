from hypothesis import given
from hypothesis import strategies as st

from collector.intake.seq_ranges import holds, merged, place_of

SEQS = st.sets(st.integers(0, 60))


@given(seqs=SEQS)
def test_a_number_is_held_if_a_range_has_it(seqs: set[int]) -> None:
    ranges = merged((), ((seq, seq) for seq in seqs))
    assert {seq for seq in range(-1, 62) if holds(ranges, seq)} == seqs


@given(seqs=SEQS, more=SEQS.filter(bool))
def test_only_the_ranges_of_the_place_change(seqs: set[int], more: set[int]) -> None:
    before = merged((), ((seq, seq) for seq in seqs))
    place = place_of(before, min(more), max(more))
    between = merged(before[place], ((seq, seq) for seq in more))
    after = (*before[: place.start], *between, *before[place.stop :])
    assert after == merged((), ((seq, seq) for seq in seqs | more))
