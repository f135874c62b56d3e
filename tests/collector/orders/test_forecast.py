"""What an order takes and detects: from runs on the device, on its machine type, or from arithmetic."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from collector.orders import paces
from collector.orders.forecast import Forecast, Forecaster
from collector.orders.offered import Offer
from collector.orders.ordered_plan import OrderedPlan
from collector.orders.paces import ARITHMETIC, DEVICE, MACHINE, OTHER_LENGTHS, OTHER_QUESTIONS
from collector.orders.recipients import Recipient, recipients
from collector.store.database import Store
from commandline.estimation.arithmetic import Length, gigaflops
from commandline.estimation.detection import smallest_f1_difference, smallest_time_difference
from commandline.estimation.latency import Line, Point, fit
from contract.bundle import Manifest
from contract.device import Device
from contract.records import Record, RunStarted
from tests.collector.delivering import take
from tests.collector.factory import (
    answer,
    batch,
    device,
    finished,
    manifest,
    round_finished,
    round_started,
    started,
)
from tests.collector.orders.hub_folder import offered, planned, put_bundle

RUN = '[[run]]\nbundles = "minilm-int8"\nquestions = "rivers.json"\nrounds = 1\nwarmup = 0\nlimit = 3\n'
LAYERS = replace(manifest().architecture, layers=3)


def measured(
    seconds: float,
    bundle: Manifest,
    on: Device,
    load_seconds: float = 2.0,
    tokens: int = 40,
    questions: str | None = None,
    together: int = 1,
    **settings: Any,
) -> tuple[Record, ...]:
    """A run of four questions, one per so many seconds, of which some are asked together."""
    answers = [
        answer(
            n,
            f"q{n}",
            ms=1000 * seconds - 1,
            at_ns=int((n - (n - 1) % together) * seconds * 1e9),
            tokens=tokens,
        )
        for n in range(1, 5)
    ]
    first = started(bundle, on)
    first = replace(first, settings=replace(first.settings, **settings))
    if questions is not None:
        first = replace(first, questions=replace(first.questions, name="other", sha256=questions))
    return (first, *answers, finished(5, load_ns=int(load_seconds * 1e9), first_ns=0))


OTHER_FILE = "0f" * 32


def forecasts(store: Store, plan: OrderedPlan, *devices: str) -> Sequence[Forecast]:
    forecaster = Forecaster(store, plan)
    return [forecaster.forecast(each) for each in recipients(store, devices, {})]


def int8(**changes: Any) -> Manifest:
    return manifest(precision="int8", **changes)


def test_a_bundle_that_the_device_has_measured_takes_as_long_again(store: Store, tmp_path: Path) -> None:
    take(store, batch(measured(4.0, int8(), device())))
    take(store, batch(measured(9.0, int8(), device("pi-b")), device_id="pi-b"))
    mine, its, unknown = forecasts(store, planned(tmp_path, RUN), "a-new-one", "pi-5", "pi-b")
    assert (mine.seconds, mine.basis, mine.unknown) == (None, None, ("minilm-int8",))
    assert its.seconds == pytest.approx(2 + 3 * 4)
    assert its.basis == DEVICE
    assert unknown.seconds == pytest.approx(2 + 3 * 9)


def test_a_bundle_that_an_equal_machine_has_measured_takes_as_long(store: Store, tmp_path: Path) -> None:
    take(store, batch(measured(4.0, int8(), device())))
    take(store, batch(measured(1.0, manifest("bert-large"), device("pi-b")), device_id="pi-b"))
    (found,) = forecasts(store, planned(tmp_path, RUN), "pi-b")
    assert found.seconds == pytest.approx(2 + 3 * 4)
    assert found.basis == MACHINE


def test_a_bundle_that_was_never_measured_is_predicted_from_its_arithmetic(
    store: Store, tmp_path: Path
) -> None:
    take(store, batch(measured(4.0, int8(), device())))
    (found,) = forecasts(store, with_half(tmp_path), "pi-5")
    assert found.seconds == pytest.approx(2 + 3 * 2), "half of the layers"
    assert found.basis == ARITHMETIC
    offer = Offer(tmp_path / "bundles", tmp_path / "questions")
    fp32 = planned(tmp_path, RUN.replace("minilm-int8", "minilm-fp32"), offer)
    assert forecasts(store, fp32, "pi-5")[0].seconds is None, "no fp32 was measured there"


def with_half(tmp_path: Path) -> OrderedPlan:
    """A plan for a bundle that was measured nowhere, with half of the layers."""
    offered(tmp_path)
    put_bundle(tmp_path / "bundles", "half", int8(model="half", architecture=LAYERS))
    offer = Offer(tmp_path / "bundles", tmp_path / "questions")
    return planned(tmp_path, RUN.replace("minilm-int8", "half"), offer)


def test_arithmetic_is_that_of_the_questions_that_are_ordered(store: Store, tmp_path: Path) -> None:
    plan = with_half(tmp_path)
    take(store, batch(measured(8.0, int8(), device(), tokens=400, questions=OTHER_FILE)))
    (guessed,) = forecasts(store, plan, "pi-5")
    assert guessed.seconds == pytest.approx(2 + 3 * 4)
    assert guessed.basis == OTHER_LENGTHS
    laptop = device("laptop", "laptop", model="A")
    take(store, batch(measured(1.0, manifest(), laptop, tokens=40), device_id="laptop"))
    (found,) = forecasts(store, plan, "pi-5")
    share = gigaflops(LAYERS, [Length(1, 40)]) / gigaflops(int8().architecture, [Length(1, 400)])
    assert found.seconds == pytest.approx(2 + 3 * 8 * share)
    assert found.basis == ARITHMETIC


def test_a_run_of_other_questions_stands_in_until_the_ordered_ones_are_asked(
    store: Store, tmp_path: Path
) -> None:
    plan = planned(tmp_path, RUN)
    take(store, batch(measured(8.0, int8(), device(), tokens=400, questions=OTHER_FILE)))
    (found,) = forecasts(store, plan, "pi-5")
    assert found.seconds == pytest.approx(2 + 3 * 8)
    assert found.basis == OTHER_QUESTIONS
    laptop = device("laptop", "laptop", model="A")
    take(store, batch(measured(1.0, manifest(), laptop, tokens=40), device_id="laptop"))
    (found,) = forecasts(store, plan, "pi-5")
    shape = int8().architecture
    share = gigaflops(shape, [Length(1, 40)]) / gigaflops(shape, [Length(1, 400)])
    assert found.seconds == pytest.approx(2 + 3 * 8 * share)
    assert found.basis == OTHER_QUESTIONS
    take(store, batch(measured(4.0, int8(), device("pi-b")), device_id="pi-b"))
    (found,) = forecasts(store, plan, "pi-5")
    assert found.seconds == pytest.approx(2 + 3 * 4)
    assert found.basis == MACHINE
    take(store, batch(measured(9.0, int8(), device(), questions=OTHER_FILE)))
    assert forecasts(store, plan, "pi-5") == [found], "the same questions count, not the same device"


def test_lengths_of_nothing_are_not_calculated_with(store: Store, tmp_path: Path) -> None:
    take(store, batch(measured(8.0, int8(), device(), tokens=0, questions=OTHER_FILE)))
    laptop = device("laptop", "laptop", model="A")
    take(store, batch(measured(1.0, manifest(), laptop, tokens=0), device_id="laptop"))
    (half,) = forecasts(store, with_half(tmp_path), "pi-5")
    assert half.seconds is None
    offer = Offer(tmp_path / "bundles", tmp_path / "questions")
    (found,) = forecasts(store, planned(tmp_path, RUN, offer), "pi-5")
    assert found.seconds == pytest.approx(2 + 3 * 8)


def test_a_run_of_another_scenario_is_no_basis(store: Store, tmp_path: Path) -> None:
    take(store, batch(measured(4.0, int8(), device())))
    questions = offered(tmp_path)
    timed = RUN.replace("rounds = 1\n", "").replace("warmup = 0\nlimit = 3\n", 'scenario = "sustained"\n')
    (given,) = forecasts(store, planned(tmp_path, timed, questions), "pi-5")
    assert (given.seconds, given.basis) == (600.0, None), "its length is given, not estimated"
    loadgen = RUN.replace("rounds = 1\n", 'scenario = "loadgen"\n')
    (unknown,) = forecasts(store, planned(tmp_path, loadgen, questions), "pi-5")
    assert (unknown.seconds, unknown.basis, unknown.unknown) == (None, None, ("minilm-int8",))
    take(store, batch(measured(3.0, int8(), device(), scenario="loadgen")))
    (found,) = forecasts(store, planned(tmp_path, loadgen, questions), "pi-5")
    assert found.seconds == pytest.approx(2 + 3 * 3)
    assert found.basis == DEVICE
    (single,) = forecasts(store, planned(tmp_path, RUN, questions), "pi-5")
    assert single.seconds == pytest.approx(2 + 3 * 4)


def test_questions_of_a_batch_begin_at_once_and_take_their_share(store: Store, tmp_path: Path) -> None:
    offline = RUN.replace("rounds = 1\n", 'scenario = "offline"\nbatch-size = 2\n')
    take(store, batch(measured(5.0, int8(), device(), together=2, scenario="offline", batch_size=2)))
    (found,) = forecasts(store, planned(tmp_path, offline), "pi-5")
    assert found.seconds == pytest.approx(2 + 3 * 5)


def test_what_is_predicted_for_a_machine_type_is_predicted_once(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(store, batch(measured(4.0, int8(), device())))
    forecaster = Forecaster(store, with_half(tmp_path))
    fits: list[int] = []

    def counting(points: Sequence[Point]) -> Line:
        fits.append(len(points))
        return fit(points)

    monkeypatch.setattr(paces, "fit", counting)
    names = [f"pi-{number}" for number in range(200)]
    found = {forecaster.forecast(Recipient(name, device(name), None)) for name in names}
    assert [each.seconds for each in found] == [pytest.approx(2 + 3 * 2)]
    assert fits == [1]


def test_pauses_and_repetitions_count(store: Store, tmp_path: Path) -> None:
    take(store, batch(measured(4.0, int8(), device())))
    text = f"rounds = 3\ncool-down-minutes = 2\n{RUN}seed = [1, 2]\n"
    (found,) = forecasts(store, planned(tmp_path, text), "pi-5")
    assert found.seconds == pytest.approx(6 * (2 + 3 * 4))
    assert found.cooling_seconds == 5 * 120


def test_a_time_that_is_given_is_the_time_that_it_takes(store: Store, tmp_path: Path) -> None:
    run = '[[run]]\nbundles = "minilm-int8"\nquestions = "rivers"\nscenario = "sustained"\nminutes = 7\n'
    (found,) = forecasts(store, planned(tmp_path, run), "pi-5")
    assert (found.seconds, found.basis, found.unknown) == (420.0, None, ())
    server = run.replace("sustained", "server").replace("minutes = 7", "latency-bound = 100")
    (tmp_path / "server").mkdir()
    assert forecasts(store, planned(tmp_path / "server", server), "pi-5")[0].seconds is None


def in_rounds(bundle: Manifest, factors: Sequence[float]) -> tuple[Record, ...]:
    """A run in rounds of one question, each slower by a factor."""
    first = started(bundle)
    records: list[Record] = [
        replace(first, epoch="1d" * 8, settings=replace(first.settings, rounds=len(factors)))
    ]
    for number, factor in enumerate(factors):
        seq = len(records)
        records += [
            round_started(seq, number),
            answer(seq + 1, f"q{number + 1}", ms=100 * factor),
            round_finished(seq + 2, number),
        ]
    assert isinstance(records[0], RunStarted)
    return (*records, finished(len(records)))


def test_what_it_detects_follows_from_rounds_questions_and_the_spread_measured_there(
    store: Store, tmp_path: Path
) -> None:
    text = '[[run]]\nbundles = ["minilm-fp32", "minilm-int8"]\nquestions = "rivers"\n'
    questions = offered(tmp_path)
    plan = planned(tmp_path, text, questions)
    alone, turns = planned(tmp_path, RUN, questions), planned(tmp_path, text + "rounds = 4\n", questions)
    for each in (plan, alone, turns):
        # Four questions are too few for two rounds.
        (found,) = forecasts(store, each, "pi-5")
        assert (found.time_difference, found.spread_measured) == (None, False)
        assert found.f1_difference == smallest_f1_difference(3 if each is alone else 4)
    repeated = planned(tmp_path, text + "min-queries = 40\nrounds = 4\n", questions)
    (assumed,) = forecasts(store, repeated, "pi-5")
    assert assumed.time_difference == smallest_time_difference(4, 0.02)
    take(store, batch(in_rounds(manifest(), (1, 1, 1, 1))))
    take(store, batch(in_rounds(int8(), (0.5, 0.55, 0.5, 0.55))))
    (found,) = forecasts(store, repeated, "pi-5")
    assert found.spread_measured and found.time_difference is not None
    # Logarithms of the ratios: two values that differ by log 1.1, twice each.
    assert found.time_difference == pytest.approx(smallest_time_difference(4, 0.0953 / 3**0.5), rel=0.01)
    in_turns = planned(tmp_path, text + "min-queries = 40\nrounds = 4\nturns = 2\n", questions)
    (found,) = forecasts(store, in_turns, "pi-5")
    assert not found.spread_measured, "with several turns in a round, rounds differ less"
