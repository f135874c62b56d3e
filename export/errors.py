"""What can go wrong in an export, split by what the caller should do."""


class ExportError(Exception):
    """Root of the export's errors; the message is one sentence that quotes the bad input."""


class BadInput(ExportError):
    """A name, a folder, a checkpoint or an option is wrong: mend it and run again."""


class NotInstalled(ExportError):
    """A package that this command needs is missing: install it."""


class HubUnavailable(ExportError):
    """The hub cannot be reached or refuses us: go online or log in, or use weights from elsewhere."""


class StorageUnavailable(ExportError):
    """The bundle cannot be written now (disk full, no permission, I/O error)."""


class VerificationFailed(ExportError):
    """A bundle does not answer as what it was made from: do not use it, and report it."""


class TrainingDiverged(ExportError):
    """A loss is no number any more: train again with other settings."""


def first_line(error: Exception) -> str:
    """What a library says of an error, without what it adds below."""
    return str(error).strip().split("\n", 1)[0]
