"""Follows orders until all of them have ended, by what the running collector writes into the database."""

import time
from collections.abc import Callable, Collection
from typing import Final

from collector.orders.order_lists import progress_sentence
from collector.orders.order_rows import StoredOrder, orders_with_ids
from collector.store.database import Store

LOOK_SECONDS: Final = 0.5
HUB_LOOK_SECONDS: Final = 5.0
HUB_PATIENCE_SECONDS: Final = 30.0
"""A hub that has not run for this long does not only start again."""


def follow(
    store: Store, order_ids: Collection[str], say: Callable[[str], None], hub_runs: Callable[[], bool]
) -> list[StoredOrder]:
    """Say what is new about some orders until all have ended, or the hub has not run for a while.

    Args:
        store: the database.
        order_ids: the orders.
        say: prints a line for the operator.
        hub_runs: returns whether the hub runs; without it nothing is written into the database.

    Returns:
        The orders; if one has not ended, the hub does not run any more.
    """
    said: dict[str, str] = {}
    hub_ran_at = hub_looked_at = time.monotonic()
    while True:
        found = orders_with_ids(store, order_ids)
        for order in found:
            sentence = progress_sentence(order)
            if said.get(order.order_id) != sentence:
                said[order.order_id] = sentence
                say(sentence)
        now = time.monotonic()
        if now - hub_looked_at >= HUB_LOOK_SECONDS:
            hub_looked_at = now
            hub_ran_at = now if hub_runs() else hub_ran_at
        if all(order.ended_at is not None for order in found) or now - hub_ran_at >= HUB_PATIENCE_SECONDS:
            return found
        time.sleep(LOOK_SECONDS)
