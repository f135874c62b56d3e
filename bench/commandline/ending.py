"""How a benchmark ends that cannot run: one sentence instead of a traceback, and status 1."""

import sys
from types import TracebackType

from agent.errors import AgentError, Unanswerable
from collector.errors import CollectorError
from contract.errors import ContractError
from demo.programs import DemoError
from export.errors import ExportError

_OURS = ("agent", "bench", "collector", "commandline", "contract", "demo", "export", "tests")
_BAD_INPUT = (AgentError, Unanswerable, CollectorError, ContractError, DemoError, ExportError)


def sentence(error: BaseException) -> str | None:
    """What to print of an error: a sentence; None if it is a mistake in the code, which needs a traceback."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        package = error.name.partition(".")[0]
        if package not in _OURS:
            return f"the Python package {package!r} is missing: 'make bench' installs what benchmarks need"
    return str(error) if isinstance(error, _BAD_INPUT) else None


def print_error(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print an error that nobody caught to standard error; a `sys.excepthook`."""
    found = sentence(error)
    if found is None:
        sys.__excepthook__(kind, error, trace)
    else:
        print(f"bench: {found}", file=sys.stderr)
