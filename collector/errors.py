"""The collector's errors, divided by what the caller should do."""


class CollectorError(Exception):
    """Root of the collector's errors; the message is one sentence that quotes the bad input."""


class BadInput(CollectorError):
    """A file, an option or an address is wrong: fix it and run again."""


class NotADatabase(BadInput):
    """The file exists, but it is not a distilbench database, or a later distilbench made it."""


class StorageUnavailable(CollectorError):
    """The database cannot be written or read now (disk full, locked, I/O error): trying later may help."""


class TransactionLost(StorageUnavailable):
    """Another transaction was in the way of this one, and nothing was stored: try the same again at once."""


class DatabaseMoved(CollectorError):
    """The database that is open is not the file at its path any more: stop, and acknowledge nothing."""


class BrokerUnavailable(CollectorError):
    """The broker cannot be started, refuses the collector, or cannot do what is needed: check the broker.

    Args:
        problem: what is wrong.
        advice: what to do about it, if that is known.
    """

    def __init__(self, problem: str, advice: str | None = None) -> None:
        super().__init__(f"{problem}: {advice}" if advice else problem)
        self.problem = problem
        self.advice = advice


class FilesUnavailable(CollectorError):
    """The server of files has ended by itself: start the command again."""


class ScorerUnavailable(CollectorError):
    """BERTScore cannot be computed here; Exact Match and F1 are not affected."""


class WorkersUnavailable(CollectorError):
    """The workers cannot compute a report: look at them, or compute it without `--workers`."""


class NumbersChanged(CollectorError):
    """The database no longer has the numbers that a task is about: compute it from those of today."""
