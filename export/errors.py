"""The errors of an export, one class for each thing that the caller can do about them."""


class ExportError(Exception):
    """Base class of the export's errors; the message is one sentence that quotes the bad input."""


class BadInput(ExportError):
    """A name, a folder, a checkpoint or an option is wrong: correct it and run again."""


class NotInstalled(ExportError):
    """A package that this command needs is missing: install it."""


class HubUnavailable(ExportError):
    """The hub cannot be reached or denies access: go online or log in, or use weights from elsewhere."""


class StorageUnavailable(ExportError):
    """The bundle cannot be written now (disk full, no permission, I/O error)."""


class VerificationFailed(ExportError):
    """A bundle does not answer like the model that it was made from: do not use it, and report it."""


class TrainingDiverged(ExportError):
    """A loss or a gradient is not a finite number: train again with other settings."""


def first_line(error: BaseException) -> str:
    """The first line of a library's error message."""
    return str(error).strip().split("\n", 1)[0]
