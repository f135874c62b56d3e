import pytest

from tests.installed import module, program


@pytest.mark.parametrize(
    ("ci", "ends"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)], ids=["here", "on CI"]
)
def test_what_is_missing_is_named_and_fails_on_ci_alone(
    ci: str, ends: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", ci)
    with pytest.raises(ends, match="no-such-program is not installed"):
        program("no-such-program", "nor-this-one")
    with pytest.raises(ends, match="no_such_module is not installed"):
        module("no_such_module")


def test_what_is_there_is_found() -> None:
    assert program("no-such-program", "sh").endswith("/sh")
    assert module("json").dumps(1) == "1"
