"""What can go wrong in the collector, split by what the caller should do."""


class CollectorError(Exception):
    """Root of the collector's errors; the message is one sentence that quotes the bad input."""


class BadInput(CollectorError):
    """A file, an option or an address is wrong: mend it and run again."""


class NotADatabase(BadInput):
    """The file exists and is not a distilbench database, or is one of a later distilbench."""


class StorageUnavailable(CollectorError):
    """The database cannot be written or read now (disk full, locked, I/O error): trying later may help."""


class BrokerUnavailable(CollectorError):
    """The broker cannot be started, refuses us or cannot do what is needed: look at the broker."""


class ScorerUnavailable(CollectorError):
    """BERTScore cannot be computed here; Exact Match and F1 are not affected."""
