"""The errors of the agent, split by what the caller should do about them.

Each message is one sentence for the user that quotes what is wrong.
"""


class AgentError(Exception):
    """Root of the agent's errors."""


class BadInput(AgentError):
    """An option, a question file or a setting is wrong: the user must fix it."""


class BundleRefused(BadInput):
    """A folder is not a bundle, or does not match its manifest: it must be built or copied again."""


class WorkerDied(AgentError):
    """The process that runs the model ended: the run failed, and the next bundle may still run."""


class OutOfMemory(AgentError):
    """A bundle does not fit into memory: the run failed before the bundle was loaded."""


class NotFetched(AgentError):
    """A bundle could not be fetched: the same command resumes the download."""


class NotDelivered(AgentError):
    """Results could not be delivered: they are kept on the device, and can be sent later."""


class StateUnusable(AgentError):
    """The state folder cannot be used: nothing can be measured until that is fixed."""


class StateBusy(StateUnusable):
    """Another agent works in the state folder: the same command works once that one has ended."""


class OutboxFull(StateUnusable):
    """The outbox has no room now: receipts or free space on its disk make room."""


class OutboxDamaged(StateUnusable):
    """The outbox file is damaged: it must be moved aside."""


class Unanswerable(Exception):
    """A question can't be answered; the reason is recorded as its answer's error, and the run continues."""


class OutboxRolledBack(AgentError):
    """The outbox lost records of a run that a collector has: it was restored from an older copy."""
