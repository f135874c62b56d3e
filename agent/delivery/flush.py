"""Delivers what waits in the outbox from earlier runs, without measuring anything."""

from pathlib import Path

from agent.delivery.destination import Destination, ResultFile, Say, delivering, write_waiting
from agent.errors import NotDelivered
from agent.outbox.outbox import Outbox
from agent.outbox.state_folder import opened_state
from commandline.counted import counted


def deliver_waiting(
    where: Destination,
    state_dir: Path | None,
    device_id: str | None,
    say: Say,
    *,
    release_refused: bool = False,
) -> None:
    """Deliver everything that waits in the outbox.

    Args:
        where: destination of the results.
        state_dir: the state folder; None for the default one.
        device_id: the id that the user chose; None for the one in the state folder.
        say: prints a sentence for the user.
        release_refused: also send records that a collector has refused.

    Raises:
        BadInput: the device id cannot be used.
        StateUnusable: another agent works in the state folder, or it cannot be used.
        NotDelivered: results stay in the outbox.
        Stopped: a signal came; what is not delivered stays in the outbox.
    """
    with opened_state(state_dir, device_id, say) as state:
        if release_refused:
            state.outbox.release()
        refused = _refused(state.outbox)
        if isinstance(where, ResultFile):
            delivered = write_waiting(where.path, state.outbox)
        else:
            with delivering(where, state, say) as delivery:
                delivery.finish()
                delivered, unanswered = delivery.delivered, delivery.unanswered
            if unanswered:
                runs = counted(unanswered, "delivered run")
                say(f"no collector has said whether it still has {runs}")
        state.stop.check()
        remaining = state.outbox.pending()
        refused = _refused(state.outbox) - refused
    say(f"{counted(delivered, 'result')} delivered")
    if refused > 0:
        stay = counted(refused, "result stays", "results stay")
        raise NotDelivered(f"{stay} in the outbox, refused: see 'agent status'")
    if remaining:
        stay = counted(remaining, "result stays", "results stay")
        raise NotDelivered(f"{stay} in the outbox: no collector has confirmed receipt yet")


def _refused(outbox: Outbox) -> int:
    return sum(each.count for each in outbox.refused())
