"""A plan as an order: everything is checked before anything is sent."""

from pathlib import Path

import msgspec
import pytest

from collector.errors import BadInput
from contract.orders.order import Order
from contract.questions import CanaryFile
from tests.collector import factory
from tests.collector.orders.hub_folder import PLAN, planned

RUN = '[[run]]\nbundles = "minilm-int8"\nquestions = "rivers.json"\n'


def test_a_plan_names_what_the_hub_has_by_its_digest(tmp_path: Path) -> None:
    plan = planned(tmp_path, f"cool-down-minutes = 2\n{PLAN}threads = [1, 4]\nlimit = 3\n")
    order = plan.order(now=True)
    assert set(order.bundles) == {"minilm-fp32", "minilm-int8"}
    assert order.bundles["minilm-int8"] == plan.bundles["minilm-int8"].sha256
    assert order.questions == {"rivers.json": factory.QUESTION_FILE.sha256}
    assert [run.threads for run in order.runs] == [1, 4]
    assert order.runs[0].bundles == ("minilm-fp32", "minilm-int8"), "the bundles stay together"
    assert (order.rounds, order.cool_down_minutes, order.now, order.measured) == (2, 2.0, True, 8)
    assert msgspec.convert(msgspec.to_builtins(order), Order) == order
    assert plan.order().id != order.id


def test_a_bundle_that_is_named_by_its_digest_has_its_name_in_the_order(tmp_path: Path) -> None:
    sha256 = planned(tmp_path, RUN).bundles["minilm-int8"].sha256
    (tmp_path / "again").mkdir()
    plan = planned(tmp_path / "again", RUN.replace("minilm-int8", sha256))
    assert plan.runs[0].bundles == ("minilm-int8",)


def test_the_canaries_of_a_file_are_in_the_order(tmp_path: Path) -> None:
    file = CanaryFile(questions_sha256=factory.QUESTION_FILE.sha256, question_ids=("q3", "q1"))
    (tmp_path / "canaries.json").write_bytes(msgspec.json.encode(file))
    assert planned(tmp_path, f'{RUN}canary = "canaries.json"\n').runs[0].canary == ("q3", "q1")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (RUN.replace("minilm-int8", "../minilm-int8"), "names no path and no address"),
        (RUN.replace("rivers.json", "http://10.0.0.1/q.json"), "names no path and no address"),
        (RUN.replace("minilm-int8", "bert-base"), "the hub has no bundle 'bert-base'"),
        (RUN + 'broker = "mqtt://x"', "unknown key 'broker'"),
        (RUN + 'to-file = "/etc/passwd"', "unknown key 'to-file'"),
        (RUN + "limit = 0", "Expected `int` >= 1"),
        (RUN + 'limit = "300,minilm=20"', "of questions, such as limit = 300"),
        (RUN + 'affinity = "0; reboot"', "affinity"),
        (RUN + 'provider = "../x.so"', "provider"),
        (RUN + "qps = 3", "--qps needs --scenario server"),
        (RUN.replace('"minilm-int8"', '["minilm-int8", "minilm-int8"]'), "names a bundle twice"),
        ("every-hours = 24\n" + RUN, "an order is carried out once"),
        ("rounds = 1001\n" + RUN, "<= 1000"),
        ("rounds = 1000\n" + RUN + f"seed = {list(range(11))}", "at most 10000"),
        (RUN + f"seed = {list(range(65))}", "65 runs in a round, and an order at most 64"),
        (RUN + 'canary = "none.json"', "cannot read the canaries"),
    ],
)
def test_what_no_device_could_carry_out_is_refused_here(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(BadInput) as caught:
        planned(tmp_path, text)
    assert complaint in str(caught.value) and "plan.toml" in str(caught.value)


def test_canaries_of_other_questions_are_refused(tmp_path: Path) -> None:
    file = CanaryFile(questions_sha256="0" * 64, question_ids=("q3",))
    (tmp_path / "canaries.json").write_bytes(msgspec.json.encode(file))
    with pytest.raises(BadInput, match=r"are of other questions than .rivers\.json."):
        planned(tmp_path, f'{RUN}canary = "canaries.json"\n')
