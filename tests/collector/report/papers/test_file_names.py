from hypothesis import given
from hypothesis import strategies as st

from collector.report.papers.file_names import file_name, unique_names

_NAMES = st.sampled_from(["pi", "pi-2", "pi-3", "pc"])
_PAIRS = st.lists(st.tuples(_NAMES, st.text(max_size=3)), max_size=12)


def test_file_names_are_safe_and_short() -> None:
    assert file_name("../../etc/passwd", "Time, in ms") == "etc-passwd--time-in-ms"
    assert file_name("…", "x" * 500) == f"untitled--{'x' * 60}"
    assert len(file_name("第" * 500).encode()) <= 120


@given(_PAIRS)
def test_no_two_things_have_one_name(pairs: list[tuple[str, str]]) -> None:
    names = unique_names(pairs)
    assert len(set(names)) == len(pairs)
    assert all(name.startswith(wanted) for name, (wanted, _) in zip(names, pairs, strict=True))


@given(_PAIRS.map(lambda pairs: list(dict.fromkeys(pairs))))
def test_a_name_depends_neither_on_the_order_nor_on_things_with_other_names(
    pairs: list[tuple[str, str]],
) -> None:
    names = dict(zip(pairs, unique_names(pairs), strict=True))
    turned = pairs[::-1]
    assert dict(zip(turned, unique_names(turned), strict=True)) == names
    kept = [pair for pair in pairs if pair[0] != "pi"]
    assert unique_names(kept) == [names[pair] for pair in kept]


def test_a_name_that_only_one_thing_has_stays_as_it_is() -> None:
    assert unique_names([("pi", "Pi"), ("pi-2", "Pi 2")]) == ["pi", "pi-2"]
    first, second = unique_names([("pi", "Pi"), ("pi", "pi")])
    assert first != second and "pi" not in {first, second}, "none takes the other's place"
