"""What `collector doctor` checks of a database in PostgreSQL."""

import re
from collections.abc import Iterator
from typing import Final

from collector.doctor.holdings import DATABASE, holdings
from collector.errors import CollectorError
from collector.store.opening import open_store_to_read
from commandline.counted import counted
from commandline.finding import Finding

_NUMBER: Final = re.compile(r"\s*(?:(?:FIRST|ANY)\s+)?(\d+)\s*\(", re.IGNORECASE)


def examine_postgres(url: str) -> Iterator[Finding]:
    """Check that a database can be used, and that what is acknowledged survives the loss of a machine."""
    try:
        with open_store_to_read(url) as store:
            version = store.value("SHOW server_version").split()[0]
            found = holdings(f"{url!r} (PostgreSQL {version})", store)
            fsync = store.value("SHOW fsync")
            names = store.value("SHOW synchronous_standby_names")
            is_standby = store.value("SELECT pg_is_in_recovery()")
            standbys = store.value(
                "SELECT count(*) FROM pg_stat_replication WHERE coalesce(sync_state, '') <> 'async'"
            )
    except CollectorError as error:
        yield Finding(DATABASE, "fail", str(error), "see that the server runs, and that this user may use it")
        return
    yield found
    if fsync != "on":
        yield Finding(
            "durability", "fail", "fsync is off: a power cut may destroy the database", "turn fsync on"
        )
    elif is_standby:
        yield Finding("durability", "ok", "this host is a standby; the host that is written was not examined")
    elif not names:
        yield Finding(
            "durability",
            "warn",
            "no standby has to confirm: results are lost if this server loses its disk",
            "set synchronous_standby_names, or make backups often",
        )
    elif not standbys:
        yield Finding(
            "durability",
            "fail",
            f"no standby of {names!r} is connected: nothing can be stored until one is",
            "start a standby",
        )
    elif standbys < (wanted := _wanted(names)):
        yield Finding(
            "durability",
            "fail",
            f"{names!r} asks for {wanted} standbys, and only {standbys} can be reached: nothing can be "
            "stored until more are",
            "start a standby",
        )
    else:
        connected = counted(standbys, "such standby is", "such standbys are")
        yield Finding(
            "durability",
            "ok",
            f"results are acknowledged once the standbys that {names!r} asks for have them; "
            f"{connected} connected",
        )


def _wanted(names: str) -> int:
    """How many standbys `synchronous_standby_names` asks for."""
    found = _NUMBER.match(names)
    return 1 if found is None else int(found[1])
