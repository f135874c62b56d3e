"""Whether the devices were asked the canaries, and answer those of fp32 as this machine does."""

import json
from pathlib import Path

from tests.arm64.programs import program


def alarms(database: Path, count: int) -> list[str]:
    """What is wrong with the canaries of a device's runs; nothing if they are as on a healthy machine.

    With int8, kinds of processors may differ in a few answers, so that only the number of canaries counts.

    Args:
        database: database of the collector.
        count: the number of canaries that each run was asked.
    """
    found = json.loads(program("collector", "report", "--json", "--db", database))["canaries"]
    if not found:
        return ["no run of a device was asked canaries"]
    wrong = []
    for check in found:
        what = f"run {check['run_id'][:8]} ({check['precision']} on {check['device_id']})"
        if check["asked"] != count:
            wrong.append(f"{what} was asked {check['asked']} canaries, and not {count}")
        elif check["source_run_id"] is None:
            wrong.append(f"no other device has answers to compare the canaries of {what} with")
        elif check["precision"] == "fp32" and check["differ"]:
            wrong.append(f"{what} answers canaries otherwise than this machine: {check['examples']}")
    return wrong
