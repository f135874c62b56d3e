"""Makes the page that shows how often the answers of one bundle differ between two processors."""

import json
from pathlib import Path
from typing import Any, Final

from tests.arm64.inputs import BUNDLES
from tests.arm64.programs import query

HERE: Final = "here"
"""The device id of this machine."""
_MOST_DIFFERENT: Final = 10
PAIRS: Final = f"""
    FROM v_runs AS our_run JOIN v_answers AS ours USING (run_id)
    JOIN v_runs AS their_run ON their_run.bundle_sha256 = our_run.bundle_sha256
    JOIN v_answers AS theirs
        ON theirs.run_id = their_run.run_id AND theirs.question_id = ours.question_id
    WHERE our_run.device_id = '{HERE}' AND their_run.device_id != '{HERE}'
"""
"""The part of a query that pairs the answers here with those of each other device."""
_COUNTS: Final = f"""
    SELECT our_run.bundle_sha256 AS bundle, their_run.device_id AS device, count(*) AS questions,
        sum(ours.text = theirs.text) AS same, avg(ours.f1) AS our_f1, avg(theirs.f1) AS their_f1,
        max(abs(ours.confidence - theirs.confidence)) AS confidence
    {PAIRS} GROUP BY our_run.bundle_sha256, their_run.device_id
"""
_DIFFERENT: Final = f"""
    SELECT our_run.bundle_sha256 AS bundle, their_run.device_id AS device, ours.question_id AS question,
        ours.text AS our_text, theirs.text AS their_text,
        ours.confidence AS our_confidence, theirs.confidence AS their_confidence
    {PAIRS} AND ours.text != theirs.text ORDER BY ours.question_id, their_run.device_id
"""
_DEVICES: Final = f"""
    SELECT DISTINCT streams.device_id AS device, runs.hardware_class AS hardware_class,
        json_extract(runs.device, '$.architecture') AS architecture,
        json_extract(runs.device, '$.cpu_flags') AS cpu_flags,
        json_extract(runs.device, '$.os') AS os,
        json_extract(runs.device, '$.versions.onnxruntime') AS onnxruntime
    FROM runs JOIN streams USING (stream) ORDER BY streams.device_id != '{HERE}', streams.device_id
"""


def hardware_classes(database: Path) -> set[str]:
    """The hardware classes of all devices except this machine."""
    return {row["hardware_class"] for row in query(database, _DEVICES) if row["device"] != HERE}


def compared(database: Path) -> int:
    """The number of pairs of a bundle and a device that have answers to compare."""
    return len(query(database, _COUNTS))


def page(database: Path, names: dict[str, str]) -> str:
    """The comparison as Markdown.

    Args:
        database: database of the collector.
        names: names of the bundles' folders by the SHA-256 of their manifests.
    """
    counts = query(database, _COUNTS)
    counts.sort(key=lambda row: (BUNDLES.index(names[row["bundle"]]), row["device"]))
    different = query(database, _DIFFERENT)
    lines = [
        "# Are the answers the same on ARM?",
        "This page compares the answers of the same bundles on several processors. `make arm64` writes it:",
        "the demo's MiniLM-L6 reader answers the sample questions with the shortest contexts, on this",
        "machine (here) and on emulated ARM processors (there). The ARM side is a clean Debian in which",
        "`install-agent.sh` installed the agent, and MQTT brought its results here. An emulated processor",
        "computes what the real one would, but at another speed: so answers are compared, and no times are",
        "shown.",
        "",
        "| device | class | architecture | instruction sets | system | onnxruntime |",
        "|---|---|---|---|---|---|",
        *(_device_row(row) for row in query(database, _DEVICES)),
        "",
        f"| bundle | device | questions | same answer as {HERE} | F1 % {HERE} | F1 % there "
        "| confidence differs by at most |",
        "|---|---|--:|--:|--:|--:|--:|",
        *(_count_row(row, names) for row in counts),
        "",
        f"{len(different)} of {sum(row['questions'] for row in counts)} pairs of answers "
        + ("differs" if len(different) == 1 else "differ")
        + (":" if different else "."),
    ]
    if different:
        lines += [
            "",
            f"| bundle | device | question | answer {HERE} | answer there | confidence {HERE} | there |",
            "|---|---|---|---|---|--:|--:|",
            *(_different_row(row, names) for row in different[:_MOST_DIFFERENT]),
        ]
        if len(different) > _MOST_DIFFERENT:
            lines += ["", f"The first {_MOST_DIFFERENT} are shown."]
    return "\n".join(lines) + "\n"


def _device_row(row: dict[str, Any]) -> str:
    flags = row["cpu_flags"] if isinstance(row["cpu_flags"], list) else json.loads(row["cpu_flags"])
    cells = [row["device"], row["hardware_class"], row["architecture"], " ".join(flags)]
    return _row(*cells, row["os"], row["onnxruntime"])


def _count_row(row: dict[str, Any], names: dict[str, str]) -> str:
    return _row(
        names[row["bundle"]],
        row["device"],
        row["questions"],
        f"{row['same']} ({100 * row['same'] / row['questions']:.1f} %)",
        f"{100 * row['our_f1']:.1f}",
        f"{100 * row['their_f1']:.1f}",
        f"{row['confidence']:.1g}",
    )


def _different_row(row: dict[str, Any], names: dict[str, str]) -> str:
    return _row(
        names[row["bundle"]],
        row["device"],
        row["question"],
        _cell(row["our_text"]),
        _cell(row["their_text"]),
        f"{row['our_confidence']:.3f}",
        f"{row['their_confidence']:.3f}",
    )


def _cell(text: str) -> str:
    """A text as a Markdown cell: without line breaks, and with escaped bars."""
    return " ".join(text.split()).replace("|", "\\|")


def _row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"
