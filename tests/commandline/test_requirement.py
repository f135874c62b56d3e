"""`--require`, as `collector report` and `export-models suggest` read it."""

from collections.abc import Callable

import pytest

from collector.comparison import requirement as report
from collector.errors import BadInput as ReportBadInput
from commandline.requirement import Condition
from export.errors import BadInput as SuggestBadInput
from export.suggestion import requirement as suggestion

Parse = Callable[[str], tuple[Condition, ...]]

PROGRAMS = pytest.mark.parametrize(
    ("parse", "refusal"), [(report.parse, ReportBadInput), (suggestion.parse, SuggestBadInput)]
)


@PROGRAMS
@pytest.mark.parametrize(
    ("number", "bound"),
    [("80", 80.0), ("8e1", 80.0), ("+80", 80.0), ("80.", 80.0), ("-1", -1.0), ("8.05E+1", 80.5)],
)
def test_both_programs_read_the_same_numbers(
    parse: Parse, refusal: type[Exception], number: str, bound: float
) -> None:
    assert parse(f"f1 >= {number}, p90_ms<=60") == (
        Condition("f1", ">=", bound),
        Condition("p90_ms", "<=", 60.0),
    )


@PROGRAMS
@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ("speed>=2", r"requirement 'speed>=2' names the unknown field 'speed'; the fields are .*f1"),
        ("f1=88", r"requirement 'f1=88' is not FIELD>=NUMBER \(or <=, >, <\); the fields are "),
        ("f1>>88", r"'f1>>88' is not FIELD>=NUMBER"),
        ("f1>=eighty", r"'f1>=eighty' is not FIELD>=NUMBER"),
        ("f1>=nan", r"'f1>=nan' is not FIELD>=NUMBER"),
        ("f1<=inf", r"'f1<=inf' is not FIELD>=NUMBER"),
        ("f1>=0x50", r"'f1>=0x50' is not FIELD>=NUMBER"),
        ("f1<=1e999", r"'f1<=1e999' has the number 1e999, which is too large"),
        ("", r"requirement '' is not FIELD>=NUMBER"),
    ],
)
def test_both_programs_refuse_the_same_mistakes(
    parse: Parse, refusal: type[Exception], wrong: str, sentence: str
) -> None:
    with pytest.raises(refusal, match=sentence):
        parse(f"p90_ms<=60,{wrong}")


@pytest.mark.parametrize(
    ("operator", "below", "equal", "above"),
    [
        (">=", False, True, True),
        ("<=", True, True, False),
        (">", False, False, True),
        ("<", True, False, False),
    ],
)
def test_a_condition_compares_with_its_bound(operator: str, below: bool, equal: bool, above: bool) -> None:
    condition = Condition("f1", operator, 80.0)
    assert (condition.met(79.9), condition.met(80.0), condition.met(80.1)) == (below, equal, above)
    assert not condition.met(None)
    assert condition.is_upper == below and str(condition) == f"f1{operator}80"
