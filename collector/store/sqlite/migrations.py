"""The schema, as the ordered steps that make it. A step that was released is never edited again.

The comments inside the statements are part of the schema: SQLite stores them, and `docs/schema.md` is made
from what it stores.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from collector.store.sqlite.library import Database
from collector.store.sqlite.views import SCENARIO_VIEWS, VIEWS

Migration = Callable[[Database], None]

_FIRST: Final = (
    """CREATE TABLE identity (
    -- One row: who this collector is. Receipts carry it.
    collector_id TEXT NOT NULL,
    created_at TEXT NOT NULL
) STRICT""",
    """CREATE TABLE streams (
    -- A run as soon as any record of it has come; the other tables name runs by its integer.
    stream INTEGER PRIMARY KEY,  -- ascending in order of first arrival
    run_id TEXT NOT NULL UNIQUE,
    device_id TEXT NOT NULL,  -- who sent it first; nobody else may add to it
    first_received_at TEXT NOT NULL
) STRICT""",
    """CREATE TABLE ranges (
    -- Which `seq` of a run are stored: disjoint, not adjacent. Derived from the four record tables.
    stream INTEGER NOT NULL REFERENCES streams,
    first_seq INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,  -- included
    PRIMARY KEY (stream, first_seq)
) STRICT, WITHOUT ROWID""",
    """CREATE TABLE runs (
    -- Raw: record 0 of each run, who measures what with which settings.
    stream INTEGER PRIMARY KEY REFERENCES streams,
    started_at TEXT NOT NULL,  -- the device's wall clock, for people
    clock_synchronised INTEGER,  -- 1, 0, or NULL where the system does not say
    model TEXT NOT NULL,
    title TEXT NOT NULL,
    precision TEXT NOT NULL,
    layers INTEGER NOT NULL,
    parameters INTEGER NOT NULL,
    weights_origin TEXT NOT NULL,
    bundle_sha256 TEXT NOT NULL,  -- of the manifest, which holds those of all files
    bundle TEXT NOT NULL,  -- the manifest, JSON
    hardware_class TEXT NOT NULL,
    device TEXT NOT NULL,  -- contract Device, JSON
    questions_name TEXT NOT NULL,
    questions_sha256 TEXT NOT NULL,
    questions_total INTEGER NOT NULL,
    questions_selected INTEGER NOT NULL,
    settings TEXT NOT NULL  -- contract Settings, JSON
) STRICT""",
    """CREATE TABLE answers (
    -- Raw: one question answered once. Its time is tokenize_ns + infer_ns + decode_ns.
    stream INTEGER NOT NULL REFERENCES streams,
    seq INTEGER NOT NULL,
    question_id TEXT NOT NULL,
    repeat INTEGER NOT NULL,  -- 0 the first time a run asks this question
    at_ns INTEGER NOT NULL,  -- since the run started
    text TEXT NOT NULL,
    start_char INTEGER NOT NULL,  -- code points of the context
    end_char INTEGER NOT NULL,  -- exclusive
    confidence REAL NOT NULL,
    tokenize_ns INTEGER NOT NULL,
    infer_ns INTEGER NOT NULL,
    decode_ns INTEGER NOT NULL,
    windows INTEGER NOT NULL,
    tokens INTEGER NOT NULL,  -- over all windows
    marks TEXT,  -- why its time does not count, comma-separated; NULL when it does
    error TEXT,
    PRIMARY KEY (stream, seq)
) STRICT, WITHOUT ROWID""",
    """CREATE TABLE samples (
    -- Raw: the state of the machine between two questions. NULL where it cannot be read.
    stream INTEGER NOT NULL REFERENCES streams,
    seq INTEGER NOT NULL,
    at_ns INTEGER NOT NULL,
    temperature_celsius REAL,
    clock_hz INTEGER,
    throttle TEXT,  -- comma-separated
    worker_rss_bytes INTEGER,
    energy_joules REAL,  -- since the run started
    PRIMARY KEY (stream, seq)
) STRICT, WITHOUT ROWID""",
    """CREATE TABLE finishes (
    -- Raw: the last record of each run, how it ended.
    stream INTEGER PRIMARY KEY REFERENCES streams,
    seq INTEGER NOT NULL,
    status TEXT NOT NULL,  -- complete, inconclusive, interrupted or failed
    reason TEXT NOT NULL,
    answered INTEGER NOT NULL,
    errors INTEGER NOT NULL,
    elapsed_ns INTEGER NOT NULL,
    load_ns INTEGER,
    first_ns INTEGER,  -- the first question of the worker, cold
    peak_rss_bytes INTEGER,
    energy_source TEXT,
    finished_at TEXT NOT NULL
) STRICT""",
    """CREATE TABLE rejected (
    -- What came and was not stored. The same bytes for the same reason are one row.
    sha256 TEXT NOT NULL,
    reason TEXT NOT NULL,
    source TEXT NOT NULL,  -- the topic, or file and line, it first came from
    bytes INTEGER NOT NULL,
    head BLOB NOT NULL,  -- the first KiB
    times INTEGER NOT NULL,
    first_received_at TEXT NOT NULL,
    last_received_at TEXT NOT NULL,
    PRIMARY KEY (sha256, reason)
) STRICT""",
    """CREATE TABLE question_sets (
    -- A question file that was added, named by what a model sees of it.
    question_set INTEGER PRIMARY KEY,
    sha256 TEXT NOT NULL UNIQUE,  -- contract QuestionFile.sha256
    name TEXT NOT NULL,
    added_at TEXT NOT NULL
) STRICT""",
    """CREATE TABLE passages (
    -- The contexts of a question set, in the order of its file.
    question_set INTEGER NOT NULL REFERENCES question_sets,
    passage INTEGER NOT NULL,
    title TEXT NOT NULL,
    context TEXT NOT NULL,
    PRIMARY KEY (question_set, passage)
) STRICT, WITHOUT ROWID""",
    """CREATE TABLE questions (
    question_set INTEGER NOT NULL REFERENCES question_sets,
    question_id TEXT NOT NULL,
    passage INTEGER NOT NULL,
    question TEXT NOT NULL,
    PRIMARY KEY (question_set, question_id)
) STRICT, WITHOUT ROWID""",
    """CREATE TABLE golds (
    -- What people answered. A question set without rows here cannot be scored.
    question_set INTEGER NOT NULL REFERENCES question_sets,
    question_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    text TEXT NOT NULL,
    answer_start INTEGER NOT NULL,  -- code points of the context
    PRIMARY KEY (question_set, question_id, position)
) STRICT, WITHOUT ROWID""",
    """CREATE TABLE scores (
    -- Derived: Exact Match and token F1 of an answer, as the SQuAD v1.1 script computes them, 0 to 1.
    stream INTEGER NOT NULL REFERENCES streams,
    seq INTEGER NOT NULL,
    exact_match INTEGER NOT NULL,
    f1 REAL NOT NULL,
    PRIMARY KEY (stream, seq)
) STRICT, WITHOUT ROWID""",
    """CREATE TABLE bertscore_models (
    -- With what BERTScores were computed. Scores of different models are never compared.
    scorer INTEGER PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,
    model TEXT NOT NULL,
    layers INTEGER NOT NULL,
    last_used_at TEXT NOT NULL
) STRICT""",
    """CREATE TABLE bertscores (
    -- Derived: each distinct pair of texts is scored once in the database's life.
    scorer INTEGER NOT NULL REFERENCES bertscore_models,
    candidate TEXT NOT NULL,
    reference TEXT NOT NULL,
    precision REAL NOT NULL,
    recall REAL NOT NULL,
    f1 REAL NOT NULL,
    PRIMARY KEY (scorer, candidate, reference)
) STRICT, WITHOUT ROWID""",
    """CREATE VIEW results AS
    -- One row an answer, with its run, its time in milliseconds and its scores: for use by hand.
SELECT streams.run_id, streams.device_id, runs.hardware_class, runs.model, runs.precision,
    answers.seq, answers.question_id, answers.repeat, answers.text, answers.confidence,
    (answers.tokenize_ns + answers.infer_ns + answers.decode_ns) / 1e6 AS ms,
    answers.marks, answers.error, scores.exact_match, scores.f1
FROM answers JOIN streams USING (stream) JOIN runs USING (stream) LEFT JOIN scores USING (stream, seq)""",
)

_SUMMARIES: Final = (
    """CREATE TABLE run_columns (
    -- Derived: the answers of a run in order of question, a little-endian array for each field, so that a
    -- report reads megabytes instead of millions of rows. Up to date while `records` is what is stored.
    stream INTEGER PRIMARY KEY REFERENCES streams,
    records INTEGER NOT NULL,  -- stored records of the run that it was made from
    scorer INTEGER,  -- whose BERTScores, or NULL for none
    digest TEXT NOT NULL,  -- of all that follows
    course TEXT NOT NULL,  -- what the order in time tells, JSON
    question BLOB NOT NULL,  -- uint64: BLAKE2b of the question id
    seq BLOB NOT NULL,  -- int64
    time_ns BLOB NOT NULL,  -- int64
    state BLOB NOT NULL,  -- uint8: 0 timed, 1 marked, 2 error
    text BLOB NOT NULL,  -- uint64: BLAKE2b of the text
    exact_match BLOB NOT NULL,  -- float32, NaN where not scored
    f1 BLOB NOT NULL,  -- float64, the same
    bertscore_f1 BLOB NOT NULL  -- float64, the same
) STRICT""",
    """CREATE TABLE findings (
    -- Derived: what the last report computed from columns, so that the next need not.
    digest TEXT PRIMARY KEY,  -- of the kind of finding and of the columns it was computed from
    value TEXT NOT NULL  -- JSON
) STRICT, WITHOUT ROWID""",
    """CREATE TABLE systems (
    -- Raw: predictions that were added from elsewhere, to be compared by accuracy.
    system INTEGER PRIMARY KEY,
    model TEXT NOT NULL,
    question_set INTEGER NOT NULL REFERENCES question_sets,
    sha256 TEXT NOT NULL,  -- of the file
    added_at TEXT NOT NULL,
    UNIQUE (model, question_set)
) STRICT""",
    """CREATE TABLE predictions (
    -- Raw: what such a system answered. A question without a row is answered wrongly, as in the script.
    system INTEGER NOT NULL REFERENCES systems,
    question_id TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (system, question_id)
) STRICT, WITHOUT ROWID""",
)

_KEPT: Final = """CREATE TABLE kept (
    -- Raw: rejected messages that an update may understand, whole: `collector rejected retry` tries them.
    sha256 TEXT PRIMARY KEY,
    source TEXT NOT NULL,
    topic TEXT,  -- it came by; NULL for a file
    body BLOB NOT NULL
) STRICT"""

_PARTS: Final = (
    "DROP TABLE run_columns",
    """CREATE TABLE run_columns (
    -- Derived: what is summed up of each run. Up to date while `records` is what is stored, and only then
    -- its columns are complete.
    stream INTEGER PRIMARY KEY REFERENCES streams,
    records INTEGER NOT NULL,  -- stored records of the run that it was made from
    scorer INTEGER,  -- whose BERTScores, or NULL for none
    digest TEXT NOT NULL,  -- of the columns and the course
    course TEXT NOT NULL  -- what the order in time tells, JSON
) STRICT""",
    """CREATE TABLE column_parts (
    -- Derived: the answers of a run in order of question, a little-endian array for each field, so that a
    -- report reads megabytes instead of millions of rows. In parts of 10,000 answers: a larger one would
    -- hold up results that come in while it is written.
    stream INTEGER NOT NULL REFERENCES streams,
    part INTEGER NOT NULL,  -- from 0
    question BLOB NOT NULL,  -- uint64: BLAKE2b of the question id
    seq BLOB NOT NULL,  -- int64
    time_ns BLOB NOT NULL,  -- int64
    state BLOB NOT NULL,  -- uint8: 0 timed, 1 marked, 2 error
    text BLOB NOT NULL,  -- uint64: BLAKE2b of the text
    exact_match BLOB NOT NULL,  -- float32, NaN where not scored
    f1 BLOB NOT NULL,  -- float64, the same
    bertscore_f1 BLOB NOT NULL,  -- float64, the same
    PRIMARY KEY (stream, part)
) STRICT""",
)

_CIRCUMSTANCES: Final = (
    # Reasons against measuring, JSON; and the numbers of threads that were tried, with their times, JSON.
    "ALTER TABLE runs ADD COLUMN remarks TEXT NOT NULL DEFAULT '[]'",
    "ALTER TABLE runs ADD COLUMN thread_trials TEXT NOT NULL DEFAULT '[]'",
)

_OUTCOMES: Final = (
    # The time from the arrival of a question until its turn came; and a scenario's results, JSON.
    "ALTER TABLE answers ADD COLUMN waited_ns INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE finishes ADD COLUMN outcome TEXT",
)


_ROUNDS: Final = (
    """CREATE TABLE round_starts (
    -- Raw: a fresh worker was loaded and warm. An interrupted round starts again with its number.
    stream INTEGER NOT NULL REFERENCES streams,
    seq INTEGER NOT NULL,
    round INTEGER NOT NULL,  -- from 0
    at_ns INTEGER NOT NULL,
    load_ns INTEGER NOT NULL,
    first_ns INTEGER,  -- the first question of the worker, cold; NULL if it was not answered
    remarks TEXT NOT NULL,  -- reasons against measuring, JSON
    PRIMARY KEY (stream, seq)
) STRICT, WITHOUT ROWID""",
    """CREATE TABLE round_finishes (
    -- Raw: all questions of a round were answered.
    stream INTEGER NOT NULL REFERENCES streams,
    seq INTEGER NOT NULL,
    round INTEGER NOT NULL,
    at_ns INTEGER NOT NULL,
    peak_rss_bytes INTEGER,
    PRIMARY KEY (stream, seq)
) STRICT, WITHOUT ROWID""",
    """CREATE TABLE resumes (
    -- Raw: a further process continued the run.
    stream INTEGER NOT NULL REFERENCES streams,
    seq INTEGER NOT NULL,
    epoch TEXT NOT NULL,  -- the command, a random number: runs that take turns share it
    resumed_at TEXT NOT NULL,
    PRIMARY KEY (stream, seq)
) STRICT, WITHOUT ROWID""",
    # The command that started the run; NULL if its agent knows no epochs. Such a run has no rounds either.
    "ALTER TABLE runs ADD COLUMN epoch TEXT",
    """CREATE VIEW rounds AS
    -- One row per start of a round, with its end. Records whose seq is above `started_seq` belong to it, up
    -- to `finished_seq` or the next start. A run without rows here is one round.
SELECT begun.stream, begun.round, begun.seq AS started_seq, begun.at_ns, begun.load_ns, begun.first_ns,
    begun.remarks, ended.seq AS finished_seq, ended.at_ns AS finished_at_ns, ended.peak_rss_bytes
FROM round_starts AS begun LEFT JOIN round_finishes AS ended
ON ended.stream = begun.stream AND ended.round = begun.round AND ended.seq > begun.seq
    AND NOT EXISTS (SELECT 1 FROM round_starts AS later
        WHERE later.stream = begun.stream AND later.seq > begun.seq AND later.seq < ended.seq)""",
)

_TOKENS: Final = (
    "DELETE FROM run_columns",
    "DROP TABLE column_parts",
    """CREATE TABLE column_parts (
    -- Derived: the answers of a run in order of question, a little-endian array for each field, so that a
    -- report reads megabytes instead of millions of rows. In parts of 10,000 answers: a larger one would
    -- hold up results that come in while it is written.
    stream INTEGER NOT NULL REFERENCES streams,
    part INTEGER NOT NULL,  -- from 0
    question BLOB NOT NULL,  -- uint64: BLAKE2b of the question id
    seq BLOB NOT NULL,  -- int64
    time_ns BLOB NOT NULL,  -- int64
    tokens BLOB NOT NULL,  -- int64, over all windows
    state BLOB NOT NULL,  -- uint8: 0 timed, 1 marked, 2 error
    text BLOB NOT NULL,  -- uint64: BLAKE2b of the text
    exact_match BLOB NOT NULL,  -- float32, NaN where not scored
    f1 BLOB NOT NULL,  -- float64, the same
    bertscore_f1 BLOB NOT NULL,  -- float64, the same
    PRIMARY KEY (stream, part)
) STRICT""",
)

_BOUNDED: Final = (
    "ALTER TABLE rejected RENAME TO rejected_before",
    """CREATE TABLE rejected (
    -- What came and was not stored: the newest thousand messages. The same bytes are one row.
    sha256 TEXT PRIMARY KEY,
    reason TEXT NOT NULL,  -- of the last time; at most 300 characters
    source TEXT NOT NULL,  -- the topic, or file and line, it first came from; at most 300 characters
    bytes INTEGER NOT NULL,
    head BLOB NOT NULL,  -- the first KiB
    times INTEGER NOT NULL,
    first_received_at TEXT NOT NULL,
    last_received_at TEXT NOT NULL
) STRICT""",
    """INSERT INTO rejected
SELECT sha256, CASE WHEN length(reason) > 300 THEN substr(reason, 1, 299) || '…' ELSE reason END,
    CASE WHEN length(source) > 300 THEN substr(source, 1, 299) || '…' ELSE source END, bytes, head,
    (SELECT sum(times) FROM rejected_before AS every WHERE every.sha256 = latest.sha256),
    (SELECT min(first_received_at) FROM rejected_before AS every WHERE every.sha256 = latest.sha256),
    last_received_at
FROM rejected_before AS latest
WHERE rowid = (SELECT rowid FROM rejected_before AS every WHERE every.sha256 = latest.sha256
    ORDER BY last_received_at DESC, rowid DESC LIMIT 1)
ORDER BY last_received_at DESC, rowid DESC LIMIT 1000""",
    "DROP TABLE rejected_before",
)

_WRITERS: Final = (
    """CREATE TABLE processes (
    -- Which processes of the device wrote the stored records of a run, in order.
    stream INTEGER NOT NULL REFERENCES streams,
    first_seq INTEGER NOT NULL,  -- the first record of the process
    epoch TEXT NOT NULL,  -- the process, a random number
    PRIMARY KEY (stream, first_seq)
) STRICT, WITHOUT ROWID""",
    """CREATE TABLE disputes (
    -- Runs of which two boards sent different records under the same numbers. The later ones were refused.
    stream INTEGER PRIMARY KEY REFERENCES streams,
    first_seq INTEGER NOT NULL,  -- the first record that was refused
    last_received_at TEXT NOT NULL
) STRICT""",
    """CREATE TABLE gone (
    -- Records that a device wrote and no longer has, as it said last. Those that are not stored are lost.
    stream INTEGER NOT NULL REFERENCES streams,
    first_seq INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,  -- included
    PRIMARY KEY (stream, first_seq)
) STRICT, WITHOUT ROWID""",
    """CREATE TABLE pruned (
    -- Runs that were removed on purpose. Their devices may still have them, and need not send them again.
    run_id TEXT PRIMARY KEY,
    pruned_at TEXT NOT NULL
) STRICT""",
)

_CANARIES: Final = (
    """CREATE TABLE canaries (
    -- Raw: answers to questions on which machines are likeliest to differ. They count in no other number.
    stream INTEGER NOT NULL REFERENCES streams,
    seq INTEGER NOT NULL,
    question_id TEXT NOT NULL,
    text TEXT NOT NULL,
    confidence REAL NOT NULL,
    error TEXT,
    PRIMARY KEY (stream, seq)
) STRICT, WITHOUT ROWID""",
)

_ORDERS: Final = (
    """CREATE TABLE orders (
    -- Raw: who ordered what from which device. Kept for good.
    order_id TEXT PRIMARY KEY,
    device_id TEXT NOT NULL,
    ordered_at TEXT NOT NULL,
    ordered_by TEXT NOT NULL,  -- user@host
    plan TEXT NOT NULL,  -- the name of the plan's file
    body TEXT NOT NULL,  -- contract Order, JSON, as it is sent while it is not cancelled
    measurements INTEGER NOT NULL,  -- how many runs the device records for it
    cancelled_at TEXT,
    cancelled_by TEXT,  -- user@host
    -- What the device reported last; NULL before it reported anything.
    phase TEXT,
    reason TEXT,
    measured INTEGER NOT NULL DEFAULT 0,  -- how many of the runs have ended
    failed INTEGER NOT NULL DEFAULT 0,  -- how many of these have failed
    bundle TEXT,  -- the bundle that is being measured
    round INTEGER,  -- from 1
    rounds INTEGER,
    reported_at TEXT,  -- by the collector's clock
    ended_at TEXT  -- by the collector's clock; NULL for an open order, which is in the device's list
) STRICT""",
    "CREATE INDEX orders_by_device ON orders (device_id) WHERE ended_at IS NULL",
    """CREATE TABLE order_lists (
    -- The list of open orders of each device, and what the device said last of itself.
    device_id TEXT PRIMARY KEY,
    revision INTEGER NOT NULL,  -- grows with every change of the list; 0 before the first order
    accepted INTEGER,  -- the revision that the device reported last; NULL if it has reported none
    state TEXT,  -- connected, degraded, disconnected or lost; NULL if it never reported
    since TEXT  -- when that state was heard first, by the collector's clock
) STRICT""",
    # The order that a run belongs to; NULL for a run that somebody started on the device.
    "ALTER TABLE runs ADD COLUMN order_id TEXT",
)


_FINDINGS: Final = (
    "ALTER TABLE findings RENAME TO findings_before",
    # With ROWID: without it, SQLite reads the whole value of each row that a search passes.
    """CREATE TABLE findings (
    -- Derived: what the last report computed from columns, so that the next need not.
    digest TEXT PRIMARY KEY,  -- of the kind of finding and of the columns it was computed from
    value TEXT NOT NULL  -- JSON
) STRICT""",
    "INSERT INTO findings SELECT digest, value FROM findings_before",
    "DROP TABLE findings_before",
)


def _made_by(*statements: str) -> Migration:
    def migrate(db: Database) -> None:
        for statement in statements:
            db.conn.execute(statement)

    return migrate


MIGRATIONS: Final[tuple[Migration, ...]] = (
    _made_by(*_FIRST),  # everything that distilbench 0.1 stores
    _made_by(*VIEWS),  # for use by hand, by Datasette and by Grafana
    _made_by(*_SUMMARIES),  # what keeps a report fast, and predictions from elsewhere
    _made_by(_KEPT),  # a place for rejected messages until an update
    _made_by(*_PARTS),  # columns in parts; the old columns were derived, and are computed again
    _made_by(*_CIRCUMSTANCES),  # what the agent recorded about a run's start
    _made_by(*_OUTCOMES),  # the results of scenarios other than single-stream
    # Views of these results; and summaries are computed again, by the present rule of outliers.
    _made_by(*SCENARIO_VIEWS, "DELETE FROM run_columns"),
    _made_by(*_ROUNDS),  # the rounds of a run, and the processes that added to it
    _made_by(*_TOKENS),  # the lengths of questions, in the columns; these are computed again
    _made_by(*_BOUNDED),  # a list of rejected messages that a sender cannot make large
    _made_by(*_WRITERS),  # which board wrote a run, and which runs two boards wrote
    _made_by(*_CANARIES),  # an alarm for a broken kernel
    _made_by(*_ORDERS),  # what the workstation wants devices to measure
    _made_by(*_FINDINGS),  # a table of findings that is searched without reading them
)
"""`PRAGMA user_version` is the number of these steps that a database has had."""


def schema_at(version: int) -> list[tuple[str, str, str]]:
    """Return name, kind and statement of the tables, indexes and views of a version, in order."""
    with _made(version) as db:
        return list(
            db.conn.execute(
                "SELECT name, type, sql FROM sqlite_schema "
                "WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY rowid"
            )
        )


def columns_at(version: int) -> dict[str, tuple[str, ...]]:
    """Return the names of the columns of each table of a version, by table."""
    with _made(version) as db:
        return {table: tuple(db[table].columns_dict) for table in db.table_names()}


@contextmanager
def _made(version: int) -> Iterator[Database]:
    db = Database(memory=True, recursive_triggers=False)
    try:
        for migration in MIGRATIONS[:version]:
            migration(db)
        yield db
    finally:
        db.conn.close()
