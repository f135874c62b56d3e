"""What `collector doctor` says of what a sound database holds, whichever kind it is."""

from collector.store.database import Store
from commandline.counted import counted
from commandline.finding import Finding

DATABASE = "database"
"""What these findings are about."""


def holdings(what: str, store: Store) -> Finding:
    """Say how many runs a database holds, and warn of messages that were rejected.

    Args:
        what: the database in words, such as "'results.db' is intact and".
        store: the database.
    """
    runs = store.value("SELECT count(*) FROM streams")
    what += f" holds {counted(runs, 'run')}"
    rejected = store.value("SELECT count(*) FROM rejected")
    if not rejected:
        return Finding(DATABASE, "ok", what)
    what += f"; {counted(rejected, 'message was', 'messages were')} rejected"
    return Finding(DATABASE, "warn", what, "collector rejected lists them")
