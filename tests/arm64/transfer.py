"""Whether the F1 that a half of the questions takes over holds the one that was measured with all of them."""

from collections import defaultdict
from pathlib import Path

import numpy as np

from collector.statistics.accuracy.transfer import correction
from contract.questions import place_in_order
from tests.arm64.comparison import PAIRS
from tests.arm64.programs import query

_SCORES = f"""
    SELECT our_run.bundle_sha256 AS bundle, their_run.device_id AS device, ours.question_id AS question,
        ours.f1 AS our_f1, theirs.f1 AS their_f1 {PAIRS}
"""


def not_held(database: Path) -> list[str]:
    """The pairs of a bundle and a device whose measured F1 is not in the interval of the transfer.

    This machine is the source. Of the questions that both answered, the device counts as if it was asked the
    first half of the order of seed 0.

    Args:
        database: database of the collector, with scores.
    """
    pairs: dict[tuple[str, str], list[tuple[bytes, float, float]]] = defaultdict(list)
    for row in query(database, _SCORES):
        place = place_in_order(0, row["question"])
        pairs[row["bundle"], row["device"]].append((place, row["our_f1"], row["their_f1"]))
    missed = []
    for (bundle, device), scores in sorted(pairs.items()):
        _, ours, theirs = (np.array(column) for column in zip(*sorted(scores), strict=True))
        asked = np.arange(len(scores) // 2)
        found = correction(theirs[asked], ours, asked)
        low, high = (100 * (ours.mean() + found.value + side * found.reach) for side in (-1, 1))
        if not low <= 100 * theirs.mean() <= high:
            missed.append(
                f"F1 of bundle {bundle[:8]} on {device} is {100 * theirs.mean():.1f}, but what was taken "
                f"over is {low:.1f} to {high:.1f}"
            )
    return missed
