"""Limits of single bundles: how they are written, whom they concern, and what is refused."""

from pathlib import Path

import pytest

from agent.bundles.bundle import Bundle, describe
from agent.errors import BadInput
from agent.planning.limits import Limits, parse_limits
from tests.agent.conftest import Agent


@pytest.mark.parametrize(
    ("text", "limits", "written"),
    [
        ("300", Limits(300), "300"),
        ("300,bert-large=60", Limits(300, (("bert-large", 60),)), "300,bert-large=60"),
        ("a=1, b=2 ,30", Limits(30, (("a", 1), ("b", 2))), "30,a=1,b=2"),
        ("odd=name=7", Limits(None, (("odd=name", 7),)), "odd=name=7"),
    ],
)
def test_limits_are_read_and_written(text: str, limits: Limits, written: str) -> None:
    assert parse_limits(text) == limits
    assert str(limits) == written and parse_limits(written) == limits


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "'' is not a number of questions: write it like 300, or like 300,bert-large=60"),
        ("few", "'few' is not a number of questions"),
        ("0", "'0' is not a number of questions"),
        ("-3", "'-3' is not a number of questions"),
        ("²", "'²' is not a number of questions"),
        ("300,", "'300,' is not a number of questions"),
        ("a=", "'a=' is not a number of questions"),
        ("=3", "'=3' is not a number of questions"),
        ("3,4", "'3,4' has two numbers of questions for all bundles"),
        ("a=3,a=4", "'a=3,a=4' has two numbers of questions for 'a'"),
    ],
)
def test_other_texts_are_quoted(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match="write it like 300") as refused:
        parse_limits(text)
    assert str(refused.value).startswith(sentence)


def test_the_folder_is_more_precise_than_the_model(tiny_bundle: Path, tiny_bundle_int8: Path) -> None:
    fp32, int8 = describe(tiny_bundle), describe(tiny_bundle_int8)
    assert fp32.manifest.model == int8.manifest.model == "tiny"
    limits = Limits(300, (("tiny", 60), (int8.folder.name, 20)))
    assert (limits.of(fp32), limits.of(int8)) == (60, 20)
    other = fp32._replace(folder=Path("elsewhere"))
    assert Limits(300, ((fp32.folder.name, 20),)).of(other) == 300
    assert Limits(None, (("large", 20),)).of(fp32) is None
    limits.check([fp32, int8])


def test_a_name_that_no_bundle_has_is_refused(tiny_bundle: Path) -> None:
    bundle: Bundle = describe(tiny_bundle)
    with pytest.raises(BadInput) as refused:
        Limits(None, (("tniy", 3),)).check([bundle])
    assert str(refused.value) == (
        "--limit names 'tniy', but no bundle of this command has that model or folder: there are tiny, "
        f"{bundle.folder.name}"
    )


def test_the_command_refuses_a_name_before_it_measures(
    agent: Agent, tiny_bundle: Path, questions: Path, tmp_path: Path
) -> None:
    out = tmp_path / "results.jsonl"
    command = ("run", tiny_bundle, "--questions", questions, "--to-file", out)
    ended = agent(*command, "--limit", "9,large=3")
    assert ended.returncode == 1 and "--limit names 'large', but no bundle" in ended.stderr
    assert not out.exists()
    ended = agent(*command, "--limit", "nine")
    assert ended.returncode == 2
    assert "Invalid value for '--limit': 'nine' is not a number of questions: write it like" in ended.stderr
