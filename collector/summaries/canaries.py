"""Canaries: the questions on which machines are likeliest to differ, and whether a run differs on them.

They are those that models answer with the least confidence. Of the demo's reader, 2 to 5 of the 20 least
confident answers changed with the precision or the processor, and 0.3 to 1.9 of 20 random ones.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final

from collector.errors import BadInput
from collector.findings.canaries import CanaryCheck
from collector.scoring.question_sets import question_set_named
from collector.store.database import Store
from collector.store.runs import Run
from commandline.standing import can_lend, is_complete, nearness
from contract.questions import CanaryFile

EXAMPLES: Final = 5
_CONFIDENCES: Final = """
SELECT question_id FROM answers WHERE stream = ? AND repeat = 0 AND error IS NULL
ORDER BY confidence, question_id
"""
_TOLD: Final = "SELECT question_id, text, error FROM canaries WHERE stream = ? ORDER BY seq"
_TEXTS: Final = """
SELECT question_id, text FROM answers WHERE stream = ? AND repeat = 0 AND error IS NULL ORDER BY seq
"""


def choose_canaries(
    store: Store, runs: Iterable[Run], questions: str, count: int, models: Collection[str] = ()
) -> CanaryFile:
    """Choose the questions of a file that models answer with the least confidence.

    The newest complete run of each bundle with trained weights ranks the questions that it was asked. A
    question's rank is the mean over these bundles, as a share of each one's questions.

    Args:
        store: the database.
        runs: its runs.
        questions: the name of a question file that was added, or the beginning of its digest.
        count: how many to choose.
        models: names or titles of the models to choose by, in any case; none for all.

    Raises:
        BadInput: there is no such file, or no such run.
    """
    question_set = question_set_named(store, questions)
    sha256: str = store.value("SELECT sha256 FROM question_sets WHERE question_set = ?", question_set)
    wanted = {model.casefold() for model in models}
    newest: dict[str, Run] = {}
    for run in runs:
        bundle = run.bundle
        named = not wanted or wanted & {bundle.model.casefold(), bundle.title.casefold()}
        if (
            run.questions_sha256 == sha256
            and is_complete(run)
            and bundle.weights.origin != "random"
            and named
        ):
            newest[run.bundle_sha256] = run
    ranks: dict[str, list[float]] = defaultdict(list)
    for run in newest.values():
        ids = [question_id for (question_id,) in store.tuples(_CONFIDENCES, run.stream)]
        for rank, question_id in enumerate(ids):
            ranks[question_id].append(rank / len(ids))
    if not ranks:
        of = f" of {', '.join(sorted(models))}" if models else ""
        raise BadInput(
            f"no complete run{of} with trained weights has asked {questions!r}: `collector runs` lists them"
        )
    order = sorted(
        ranks, key=lambda question_id: (sum(ranks[question_id]) / len(ranks[question_id]), question_id)
    )
    return CanaryFile(questions_sha256=sha256, question_ids=tuple(order[:count]))


def canary_checks(store: Store, chosen: Iterable[Run], runs: Sequence[Run]) -> Iterator[CanaryCheck]:
    """Compare the canaries of runs with the answers of the nearest other device to the same questions.

    Args:
        store: the database.
        chosen: the runs to check; those without canaries are passed over.
        runs: the runs to compare them with.
    """
    with_canaries = {stream for (stream,) in store.tuples("SELECT DISTINCT stream FROM canaries")}
    for run in chosen:
        if run.stream in with_canaries:
            yield _check(store, run, runs)


def _check(store: Store, run: Run, runs: Sequence[Run]) -> CanaryCheck:
    told = {
        question_id: None if error else text for question_id, text, error in store.tuples(_TOLD, run.stream)
    }
    source = _source(store, run, runs)
    texts = {} if source is None else dict(store.tuples(_TEXTS, source.stream))
    differ = [question_id for question_id, text in told.items() if source and texts.get(question_id) != text]
    return CanaryCheck(
        run_id=run.run_id,
        device_id=run.device_id,
        title=run.bundle.title,
        precision=run.bundle.precision,
        asked=len(told),
        differ=len(differ),
        examples=tuple(differ[:EXAMPLES]),
        source_run_id=None if source is None else source.run_id,
        source_device_id=None if source is None else source.device_id,
    )


def _source(store: Store, run: Run, runs: Sequence[Run]) -> Run | None:
    total = store.value("SELECT questions_total FROM runs WHERE stream = ?", run.stream)
    able = [other for other in runs if other.device_id != run.device_id and can_lend(other, run, total)]
    return max(able, key=lambda other: nearness(other, run), default=None)
