"""What the database knows of the runs to which records are to be added."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final, NamedTuple, TypeVar

from collector.store.transaction import Transaction
from contract.messages import Epochs, SeqRange

_T = TypeVar("_T")
_VALUES_AT_ONCE: Final = 1024


class Border(NamedTuple):
    """The start or the end of a round."""

    seq: int
    round: int
    starts: bool


class KnownRun(NamedTuple):
    """A run as it is stored, or as it will be once the batches before this one are stored.

    A run that no record has come of has no stream, no owner, and nothing stored.
    """

    stream: int | None = None
    """The run in the database; None until it is there."""
    owner: str | None = None
    """The device that sent it first; nobody else may add to it."""
    stored: tuple[SeqRange, ...] = ()
    epochs: Epochs = ()
    """The processes that wrote the stored records."""
    disputed_from: int | None = None
    """The first `seq` under which another board has sent a different record; None if none has."""
    end: int | None = None
    """The `seq` of the record that ends the run; None if it is not stored."""
    borders: tuple[Border, ...] = ()
    """The starts and ends of its rounds, if they were asked for."""
    gone: tuple[SeqRange, ...] = ()
    """What its device wrote and no longer has, if that was asked for."""
    pruned: bool = False
    """Whether it was removed on purpose, if that was asked for."""


_ASKED: Final = "asked AS (SELECT run_id, stream, device_id FROM streams WHERE run_id IN ({}))"
# One statement rather than five: this is asked for each group of messages. CROSS makes SQLite look up the
# runs that are asked for, whatever it believes of the sizes of the tables.
_PARTS: Final = f"""
WITH {_ASKED} SELECT run_id, 0, stream, NULL, device_id FROM asked
UNION ALL SELECT run_id, 1, r.first_seq, r.last_seq, NULL FROM asked CROSS JOIN ranges AS r
    WHERE r.stream = asked.stream
UNION ALL SELECT run_id, 2, p.first_seq, NULL, p.epoch FROM asked CROSS JOIN processes AS p
    WHERE p.stream = asked.stream
UNION ALL SELECT run_id, 3, d.first_seq, NULL, NULL FROM asked CROSS JOIN disputes AS d
    WHERE d.stream = asked.stream
UNION ALL SELECT run_id, 4, f.seq, NULL, NULL FROM asked CROSS JOIN finishes AS f
    WHERE f.stream = asked.stream
"""  # noqa: S608  # our own names
_BORDERS: Final = f"""
WITH {_ASKED} SELECT run_id, s.seq, s.round, 1 FROM asked CROSS JOIN round_starts AS s
    WHERE s.stream = asked.stream
UNION ALL SELECT run_id, f.seq, f.round, 0 FROM asked CROSS JOIN round_finishes AS f
    WHERE f.stream = asked.stream
"""  # noqa: S608  # our own names
_GONE: Final = f"""
WITH {_ASKED} SELECT run_id, g.first_seq, g.last_seq FROM asked CROSS JOIN gone AS g
    WHERE g.stream = asked.stream
"""  # noqa: S608  # our own names
_PRUNED: Final = "SELECT run_id FROM pruned WHERE run_id IN ({})"


def known_runs(
    conn: Transaction,
    run_ids: Collection[str],
    *,
    borders_of: Collection[str] = (),
    inquired: Collection[str] = (),
) -> dict[str, KnownRun]:
    """Return what is known of some runs, by their ids, in a fixed number of statements.

    Args:
        conn: the transaction; it has locked the runs if records are to be added to them.
        run_ids: the runs.
        borders_of: those of which the starts and ends of rounds are needed; a run may have many.
        inquired: those of which is needed what their device no longer has, and whether they were pruned.
    """
    parts: dict[str, tuple[list[Any], ...]] = {run_id: ([], [], [], [], []) for run_id in run_ids}
    for run_id, kind, number, last_seq, text in rows_of(conn, _PARTS, run_ids):
        parts[run_id][kind].append((number, text if last_seq is None else last_seq))
    runs = {run_id: _run(found) for run_id, found in parts.items()}
    if borders_of:
        borders: dict[str, list[Border]] = {run_id: [] for run_id in borders_of}
        for run_id, seq, number, starts in rows_of(conn, _BORDERS, borders_of):
            borders[run_id].append(Border(seq, number, bool(starts)))
        for run_id, found in borders.items():
            runs[run_id] = runs[run_id]._replace(borders=tuple(sorted(found)))
    if inquired:
        gone: dict[str, list[SeqRange]] = {run_id: [] for run_id in inquired}
        for run_id, first_seq, last_seq in rows_of(conn, _GONE, inquired):
            gone[run_id].append((first_seq, last_seq))
        pruned = {run_id for (run_id,) in rows_of(conn, _PRUNED, inquired)}
        for run_id, several in gone.items():
            runs[run_id] = runs[run_id]._replace(gone=tuple(sorted(several)), pruned=run_id in pruned)
    return runs


def _run(parts: tuple[list[Any], ...]) -> KnownRun:
    streams, stored, epochs, disputes, ends = parts
    if not streams:
        return KnownRun()
    ((stream, owner),) = streams
    return KnownRun(
        stream=stream,
        owner=owner,
        stored=tuple(sorted(stored)),
        epochs=tuple(sorted(epochs)),
        disputed_from=disputes[0][0] if disputes else None,
        end=ends[0][0] if ends else None,
    )


def as_stored(pairs: tuple[tuple[int, _T], ...]) -> tuple[tuple[int, _T], ...]:
    """Return pairs as a table has them whose key is the first number: in order, the first of equal ones."""
    return tuple(sorted(dict(reversed(pairs)).items()))


def rows_of(conn: Transaction, sql: str, values: Collection[object]) -> Iterator[Sequence[Any]]:
    """Yield the rows of a statement that has `{}` in place of a list of values, which may be long."""
    listed = tuple(values)
    for place in range(0, len(listed), _VALUES_AT_ONCE):
        some = listed[place : place + _VALUES_AT_ONCE]
        # The last value is repeated up to a power of two, so that there are few statements to prepare.
        count = 1 << (len(some) - 1).bit_length()
        yield from conn.execute(sql.format(", ".join("?" * count)), (*some, *some[-1:] * (count - len(some))))
