"""Made-up comparisons for the tests of reports, and readers of a report's tables."""

from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from typing import Any, Final

import msgspec

from collector.comparison.compare import compare
from collector.findings.comparison import Comparison
from collector.report.layout import Page
from collector.report.page import Table
from collector.store.database import Store
from collector.summaries.refresh import score_answers
from contract.bundle import Manifest, Weights
from contract.device import Device
from contract.records import Answer, Mark, Outcome, RateTrial, Record
from tests.collector.delivering import take
from tests.collector.factory import answer, batch, device, finished, manifest, run_records, sample, started

SCRIPT = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
HOSTILE = f'=HYPERLINK("x")|{SCRIPT}]\x1b[31m\u202e`*_'

Rows = list[list[str]]
Records = tuple[Record, ...]


def three_models(store: Store) -> Comparison:
    """A teacher with random weights, a reader in two precisions that differ in one answer, and scenarios."""
    reader, noise = Weights(origin="adapter", source="s"), Weights(origin="random", source="s")
    for model, precision, slower, weights in (
        ("bert-large", "fp32", 20.0, noise),
        ("minilm-l6", "fp32", 1.0, reader),
        ("minilm-l6", "int8", 0.5, reader),
    ):
        bundle = manifest(model, precision, weights=weights)
        text = "1,094 km" if precision == "fp32" else "1,094"
        answers = [
            ("q1", "sea", 1234.5),
            ("q2", text, 120.25),
            ("q3", "Hamburg", 14.0),
            ("q4", "Dresden", 3.0),
        ]
        take(store, batch(run_records([(q, t, ms * slower) for q, t, ms in answers], bundle)))
    loaded(store)
    score_answers(store)
    return compare(store, require="f1>=99")


RATES: Final = (
    RateTrial(
        qps=8.0,
        queries=1192,
        dropped=132,
        p50_ns=30_000_000,
        p99_ns=180_000_000,
        load=0.9,
        held=False,
        undecided="it takes 5,000",
    ),
    RateTrial(
        qps=4.0,
        queries=1192,
        dropped=132,
        p50_ns=20_000_000,
        p99_ns=70_000_000,
        bound_ns=90_000_000,
        load=0.45,
        held=True,
    ),
)


def under_load(
    scenario: str,
    outcome: Outcome | None,
    between: Iterable[Record],
    *,
    bundle: Manifest | None = None,
    on: Device | None = None,
    **settings: Any,
) -> Records:
    """A run of a scenario with records between its first and last one; without an outcome, it has no end."""
    first = started(
        bundle or manifest("minilm-l6", "int8", weights=Weights(origin="adapter", source="s")), on
    )
    chosen = msgspec.structs.replace(first.settings, scenario=scenario, **settings)
    records = [msgspec.structs.replace(first, settings=chosen), *between]
    answered = sum(isinstance(record, Answer) for record in records)
    last = () if outcome is None else (finished(len(records), answered, outcome=outcome),)
    return (*records, *last)


def loaded(store: Store) -> None:
    """Ingest a run of each scenario; in the sustained run, the machine is throttled after three seconds."""
    answers = [answer(seq, f"q{seq}", "sea", 20.0, waited_ns=5_000_000) for seq in range(1, 5)]
    take(store, batch(under_load("offline", Outcome(questions_per_second=81.25), answers, batch_size=8)))
    bound: dict[str, Any] = {"latency_bound_ns": 100_000_000}
    take(store, batch(under_load("server", Outcome(rates=RATES, valid_qps=4.0), answers, **bound)))
    take(store, batch(under_load("sustained", Outcome(throttled_after_ns=6_000_000_000), minutes())))
    summary = {"90.00 percentile latency (ns)": "75000000", "Result is": "VALID"}
    take(store, batch(under_load("loadgen", Outcome(loadgen=summary), answers)))


def minutes() -> Iterator[Record]:
    """20 answers, one per second, each with a sample: 10 ms at 2.4 GHz, then 16 ms at 1.5 GHz."""
    for place in range(20):
        slow = place >= 3
        marks: tuple[Mark, ...] = ("throttled",) if slow else ()
        at_ns = place * 1_000_000_000
        yield answer(
            2 * place + 1, f"q{place % 4 + 1}", "sea", 16.0 if slow else 10.0, at_ns=at_ns, marks=marks
        )
        yield sample(
            2 * place + 2,
            at_ns=at_ns,
            temperature_celsius=50.0 + place,
            clock_hz=1_500_000_000 if slow else 2_400_000_000,
            throttle=marks,
        )


def hostile(store: Store, text: str = HOSTILE) -> Comparison:
    """Three models on one hardware class, also under load; all their texts are an attack."""
    where = device(hardware_class=text, model=text, cpu_model=text, versions={text: text})
    answers = [("q1", text, 10.0), ("q2", text, 12.0), ("q3", "Hamburg", 14.0)]
    weights = Weights(origin="hub", source=text, revision=text, licence=text, training_data=text)
    bundle = manifest(title=text, distillation=text, weights=weights, tools={text: text}, recipe={text: text})
    take(store, batch(run_records(answers, bundle, where)))
    take(store, batch(run_records(answers[1:], manifest("third", "int8", title=f"+{text}"), where)))
    failed = finished(1, 0, status="failed", reason=text)
    take(store, batch((started(manifest("other", title=f"@{text}"), where), failed)))
    under = manifest("minilm-l6", "int8", title=text, weights=weights)
    records, summary = [answer(1, "q1", text)], {text: text, "Result is": text}
    for scenario, outcome, between in (
        ("server", Outcome(rates=RATES), records),
        ("sustained", Outcome(), minutes()),
        ("loadgen", Outcome(loadgen=summary), records),
        (text, Outcome(), records),
    ):
        take(store, batch(under_load(scenario, outcome, between, bundle=under, on=where)))
    score_answers(store)
    return compare(store)


def texts(table: Table) -> Rows:
    """The texts of a table's cells."""
    return [[cell.marked for cell in row] for row in table.rows]


def tables(page: Page) -> list[Rows]:
    """All tables of a report in reading order; those of a section's charts come after its own."""
    found = []
    for chapter in page.chapters:
        for section in chapter.sections:
            found += [texts(table) for table in section.tables]
            found += [texts(figure.table) for figure in section.figures]
    return found


class HtmlTables(HTMLParser):
    """The tables of an HTML page by row, and all its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: list[Rows] = []
        self.text = ""
        self._in_body = self._in_cell = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag == "tbody":
            self.tables.append([])
            self._in_body = True
        if tag == "tr" and self._in_body:
            self.tables[-1].append([])
        if tag in {"td", "th"} and self._in_body:
            self._in_cell = True
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in {"td", "th"}:
            self._in_cell = False
        if tag == "tbody":
            self._in_body = False

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._in_cell:
            self.tables[-1][-1][-1] += data
