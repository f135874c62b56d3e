"""A model of delivery: outbox, a channel that loses, doubles and shuffles, and the collector's ingest.

Actions are appends, sends, deliveries in any order, crashes of either side, clocks that jump; and a second
collector of the same database may take the same messages. After each step: what the outbox forgot is in the
database. In the end, when the channel is fair: all of it, once.
`python -m pytest tests/faults/test_model.py --hypothesis-profile=long` takes 10,000 steps and more.
"""

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from agent.delivery.batches import Packed
from agent.delivery.sender import Sender
from agent.outbox.outbox import Outbox
from agent.outbox.rows import Place
from collector.intake.incoming import Delivery
from collector.intake.ingest import ingest
from collector.store.database import Store
from collector.store.opening import open_store
from contract.messages import Receipt
from contract.records import Record
from contract.topics import topic
from tests.collector.factory import answer, device, finished, started
from tests.faults.sending import DEVICE, append

TOPIC = topic(DEVICE, "results")


class Delivering(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="distilbench-model-")
        self.now = 1000.0
        self.outbox = Outbox(Path(self.folder.name, "outbox.db"))
        self.sender = self.new_sender()
        self.store = self.open_store()
        self.other = self.open_store()  # of a second collector
        self.channel: list[Packed] = []
        self.receipts: list[Receipt] = []
        self.places: dict[str, Place] = {}

    def new_sender(self) -> Sender:
        return Sender(self.outbox, lambda: self.now, lambda: 0.5)

    def open_store(self) -> Store:
        return open_store(Path(self.folder.name, "results.db"), create=True)

    def teardown(self) -> None:
        self.settle()
        self.outbox.__exit__(None, None, None)
        self.store.close()
        self.other.close()
        self.folder.cleanup()

    @rule()
    def begin(self) -> None:
        run_id = f"{len(self.places) + 1:032x}"
        place = self.outbox.begin(run_id, DEVICE, run_id)
        self.places[run_id] = append(self.outbox, place, [started(on=device(DEVICE))])

    @precondition(lambda self: any(not place.finished for place in self.places.values()))
    @rule(data=st.data(), count=st.integers(1, 8), last=st.booleans())
    def measure(self, data: st.DataObject, count: int, last: bool) -> None:
        going_on = [run_id for run_id, place in self.places.items() if not place.finished]
        run_id = data.draw(st.sampled_from(going_on))
        first = self.places[run_id].next_seq
        records: list[Record] = [answer(first + n, f"q{first + n}") for n in range(count)]
        if last:
            records = [finished(first)]
        self.places[run_id] = append(self.outbox, self.places[run_id], records, finished=last)

    @rule(limit=st.sampled_from((5000, 8000, 262_144)))
    def send(self, limit: int) -> None:
        packed = self.sender.next(limit)
        if packed is not None:
            self.channel.append(packed)

    @precondition(lambda self: self.channel)
    @rule(data=st.data(), keep=st.booleans(), crash=st.booleans())
    def deliver(self, data: st.DataObject, keep: bool, crash: bool) -> None:
        """Any messages in any order, in one transaction; they may come again, and the receipt may be lost."""
        chosen = data.draw(st.lists(st.sampled_from(self.channel), min_size=1, max_size=4))
        outcome = ingest(self.store, [Delivery(TOPIC, packed.payload, TOPIC) for packed in chosen])
        assert outcome.rejected == 0
        if not keep:
            self.channel = [packed for packed in self.channel if packed not in chosen]
        if not crash:
            self.receipts += outcome.receipts

    @precondition(lambda self: self.channel)
    @rule(data=st.data())
    def deliver_to_both(self, data: st.DataObject) -> None:
        """Without shared subscriptions, each of two collectors gets every message, in some order."""
        chosen = data.draw(st.lists(st.sampled_from(self.channel), min_size=1, max_size=4))
        for store in (self.store, self.other):
            messages = data.draw(st.permutations(chosen))
            outcome = ingest(store, [Delivery(TOPIC, packed.payload, TOPIC) for packed in messages])
            assert outcome.rejected == 0
            self.receipts += outcome.receipts
        assert outcome.stored == 0, "the first one has stored everything"

    @precondition(lambda self: self.receipts)
    @rule(data=st.data(), keep=st.booleans())
    def receive(self, data: st.DataObject, keep: bool) -> None:
        receipt = data.draw(st.sampled_from(self.receipts))
        if not keep:
            self.receipts.remove(receipt)
        self.sender.take(receipt)

    @rule()
    def broker_forgets(self) -> None:
        self.channel.clear()
        self.receipts.clear()

    @rule(seconds=st.sampled_from((0.1, 3.0, 20.0, 1000.0)))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def connection_breaks(self) -> None:
        self.sender.lost()

    @rule()
    def nobody_listens(self) -> None:
        self.sender.hold()

    @rule()
    def agent_crashes(self) -> None:
        self.outbox.__exit__(None, None, None)
        self.outbox = Outbox(Path(self.folder.name, "outbox.db"))
        self.sender = self.new_sender()

    @rule()
    def collector_crashes(self) -> None:
        self.store.close()
        self.store = self.open_store()

    @invariant()
    def nothing_is_forgotten_that_is_not_stored(self) -> None:
        kept = {(row.run_id, row.seq) for row in self.outbox.rows(0, 1_000_000)}
        refused = self.outbox.summary().dropped
        gone = {
            (run_id, seq)
            for run_id, place in self.places.items()
            for seq in range(place.next_seq)
            if (run_id, seq) not in kept
        }
        assert len(gone - self.stored()) <= refused

    def stored(self) -> set[tuple[str, int]]:
        return {
            (run_id, seq)
            for table, column in (("runs", "0"), ("answers", "seq"), ("finishes", "seq"))
            for run_id, seq in self.store.tuples(
                f"SELECT run_id, {column} FROM {table} JOIN streams USING (stream)"
            )
        }

    def settle(self) -> None:
        """A fair channel: now everything must arrive."""
        self.outbox.release()
        for _ in range(1000):
            if not self.outbox.pending():
                break
            self.now += 400.0
            while (packed := self.sender.next()) is not None:
                for receipt in ingest(self.store, [Delivery(TOPIC, packed.payload, TOPIC)]).receipts:
                    self.sender.take(receipt)
        expected = {(run_id, seq) for run_id, place in self.places.items() for seq in range(place.next_seq)}
        assert self.stored() == expected
        assert self.store.value("SELECT count(*) FROM rejected") == 0


TestDelivering = pytest.mark.timeout(900)(Delivering.TestCase)
if settings.get_current_profile_name() != "long":
    TestDelivering.settings = settings(
        max_examples=12, stateful_step_count=30, suppress_health_check=list(HealthCheck)
    )
