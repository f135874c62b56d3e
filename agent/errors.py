"""What can go wrong in the agent, split by what the caller should do about it.

The message of each is one sentence for the user that quotes what is wrong.
"""


class AgentError(Exception):
    """Root of the agent's errors."""


class BadInput(AgentError):
    """An option, a question file or a setting is wrong: the user must mend it."""


class BundleRefused(BadInput):
    """A folder is not a bundle, or not the one its manifest describes: it must be built or copied again."""


class WorkerDied(AgentError):
    """The process that runs the model ended: the run failed, and the next bundle may still run."""


class OutOfMemory(AgentError):
    """A bundle would not fit into memory: the run failed before anything was loaded."""


class NotFetched(AgentError):
    """A bundle could not be fetched: the same command goes on where it broke off."""


class NotDelivered(AgentError):
    """Results could not be handed over: they are kept on the device, and can be sent later."""


class StateUnusable(AgentError):
    """The state folder cannot be used: nothing can be measured until it can."""


class OutboxFull(StateUnusable):
    """The outbox has no room now: receipts or a freed disk make some."""


class OutboxDamaged(StateUnusable):
    """The outbox file is not whole: it must be moved aside."""


class Unanswerable(Exception):
    """A question can't be answered; the reason is recorded as its answer's error, and the run goes on."""


class WentBack(AgentError):
    """The outbox lost records of a run that a collector has: its disk is an older copy."""
