"""Comparisons made up for the tests of reports, and what a report's tables hold."""

from html.parser import HTMLParser

from collector.compare import compare
from collector.comparison import Comparison
from collector.report.layout import Page
from collector.report.page import Table
from collector.scoring import score_answers
from collector.store import Store
from contract.bundle import Weights
from tests.collector.delivering import take
from tests.collector.factory import batch, device, finished, manifest, run_records, started

SCRIPT = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
HOSTILE = f'=HYPERLINK("x")|{SCRIPT}]\x1b[31m\u202e`*_'

Rows = list[list[str]]


def three_models(store: Store) -> Comparison:
    """A teacher of random weights, and a reader in two precisions that differ in one answer."""
    reader, noise = Weights(origin="adapter", source="s"), Weights(origin="random", source="s")
    for model, precision, slower, weights in (
        ("bert-large", "fp32", 20.0, noise),
        ("minilm-l6", "fp32", 1.0, reader),
        ("minilm-l6", "int8", 0.5, reader),
    ):
        bundle = manifest(model, precision, weights=weights)
        text = "1,094 km" if precision == "fp32" else "1,094"
        told = [("q1", "sea", 1234.5), ("q2", text, 120.25), ("q3", "Hamburg", 14.0), ("q4", "Dresden", 3.0)]
        take(store, batch(run_records([(q, t, ms * slower) for q, t, ms in told], bundle)))
    score_answers(store)
    return compare(store, require="f1>=99")


def hostile(store: Store, text: str = HOSTILE) -> Comparison:
    """Two models on a hardware class, all of whose texts are an attack."""
    where = device(hardware_class=text, model=text, cpu_model=text, versions={text: text})
    answers = [("q1", text, 10.0), ("q2", text, 12.0), ("q3", "Hamburg", 14.0)]
    weights = Weights(origin="hub", source=text, revision=text, licence=text, training_data=text)
    bundle = manifest(title=text, distillation=text, weights=weights, tools={text: text}, recipe={text: text})
    take(store, batch(run_records(answers, bundle, where)))
    take(store, batch(run_records(answers[1:], manifest("third", "int8", title=f"+{text}"), where)))
    failed = finished(1, 0, status="failed", reason=text)
    take(store, batch((started(manifest("other", title=f"@{text}"), where), failed)))
    score_answers(store)
    return compare(store)


def texts(table: Table) -> Rows:
    """What a table says, cell by cell."""
    return [[cell.marked for cell in row] for row in table.rows]


def tables(page: Page) -> list[Rows]:
    """All tables of a report in the order of reading, those of the charts after their section's."""
    found = []
    for chapter in page.chapters:
        for section in chapter.sections:
            found += [texts(table) for table in section.tables]
            found += [texts(figure.table) for figure in section.figures]
    return found


class HtmlTables(HTMLParser):
    """The tables of a page, by row, and the definitions of its cards."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: list[Rows] = []
        self.said = ""
        self._in_body = self._in_cell = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag == "tbody":
            self.tables.append([])
            self._in_body = True
        if tag == "tr" and self._in_body:
            self.tables[-1].append([])
        self._in_cell = tag in {"td", "th"} and self._in_body
        if self._in_cell:
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self._in_cell = False
        if tag == "tbody":
            self._in_body = False

    def handle_data(self, data: str) -> None:
        self.said += data
        if self._in_cell:
            self.tables[-1][-1][-1] += data
