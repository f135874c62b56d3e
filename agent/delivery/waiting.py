"""Delivers what waits in the outbox from earlier runs, without measuring anything."""

from pathlib import Path

from agent.delivery.destination import Destination, ResultFile, Say, delivering, write_waiting
from agent.errors import NotDelivered
from agent.outbox.state_folder import opened_state


def deliver_waiting(
    where: Destination,
    state_dir: Path | None,
    device_id: str | None,
    say: Say,
    *,
    release_refused: bool = False,
) -> None:
    """Deliver everything that waits.

    Args:
        where: where the results go.
        state_dir: the state folder; None for the default one.
        device_id: what the user calls the device; None for the id that is kept.
        say: prints a sentence for the user.
        release_refused: send what a collector has refused as well.

    Raises:
        BadInput: the device id cannot be used.
        StateUnusable: another agent works in the state folder, or it cannot be used.
        NotDelivered: results stay in the outbox.
        Stopped: a signal came; what is not delivered stays in the outbox.
    """
    with opened_state(state_dir, device_id, say) as state:
        if release_refused:
            state.outbox.release()
        waiting = state.outbox.pending()
        if isinstance(where, ResultFile):
            write_waiting(where.path, state.outbox)
        else:
            with delivering(where, state, say) as delivery:
                delivery.finish()
        state.stop.check()
        left = state.outbox.pending()
    say(f"{waiting - left} results delivered")
    if left:
        raise NotDelivered(f"{left} results stay in the outbox: no collector has taken them yet")
