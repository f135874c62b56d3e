"""What counts as work of the agent while its worker computes: more than going to sleep and waking up."""

import time

import pytest

from agent.worker.own_work import BUSY_NS, BUSY_SHARE, OwnWork, used_until_now

DECIDED_BY_SHARE_NS = round(10 * BUSY_NS / BUSY_SHARE)
"""A wait in which the share of a core is more than what is always allowed."""
TRIES = 50


class Clock:
    """The clock of a process for which the test decides what it does.

    Args:
        busy: whether the process computes for a second before each reading.
    """

    def __init__(self, busy: bool = False) -> None:
        self._busy = busy
        self._used_ns = self._now_ns = 0

    def work(self, ns: int) -> None:
        """Let the process compute for this time."""
        self._used_ns += ns
        self._now_ns += ns

    def sleep(self, ns: int) -> None:
        """Let the process sleep for this time."""
        self._now_ns += ns

    def __call__(self) -> tuple[int, int]:
        if self._busy:
            self.work(1_000_000_000)
        return self._used_ns, self._now_ns


def was_too_much(work_ns: int, wait_ns: int) -> bool:
    """Whether this work within a wait of this length is too much."""
    clock = Clock()
    own_work = OwnWork(clock)
    own_work.begin()
    clock.work(work_ns)
    clock.sleep(wait_ns - work_ns)
    own_work.end()
    return own_work.was_too_much()


@pytest.mark.parametrize(
    ("wait_ns", "allowed_ns"),
    [
        (10 * BUSY_NS, BUSY_NS),
        (DECIDED_BY_SHARE_NS, round(BUSY_SHARE * DECIDED_BY_SHARE_NS)),
    ],
)
def test_a_share_of_a_core_and_a_millisecond_are_allowed(wait_ns: int, allowed_ns: int) -> None:
    assert not was_too_much(0, wait_ns)
    assert not was_too_much(allowed_ns, wait_ns)
    assert was_too_much(allowed_ns + 1, wait_ns)


def test_work_before_and_after_a_wait_disturbs_nobody() -> None:
    clock = Clock()
    own_work = OwnWork(clock)
    clock.work(BUSY_NS + 1)
    own_work.begin()
    clock.sleep(BUSY_NS)
    own_work.end()
    clock.work(BUSY_NS + 1)
    assert not own_work.was_too_much()


def test_work_counts_once() -> None:
    clock = Clock()
    own_work = OwnWork(clock)
    own_work.begin()
    clock.work(BUSY_NS + 1)
    assert own_work.was_too_much()
    assert not own_work.was_too_much(), "the wait goes on, and nothing was done since"


def test_a_process_that_really_sleeps_is_not_busy() -> None:
    """A busy machine can make one sleep expensive, or other threads of the tests do; not each of them."""
    own_work = OwnWork()

    def slept() -> bool:
        own_work.begin()
        time.sleep(0.01)
        own_work.end()
        return not own_work.was_too_much()

    assert any(slept() for _ in range(TRIES))


def test_a_process_that_really_computes_uses_its_processor() -> None:
    before_ns, _ = used_until_now()
    until = time.thread_time_ns() + 10 * BUSY_NS
    while time.thread_time_ns() < until:
        pass
    assert used_until_now()[0] - before_ns >= 10 * BUSY_NS
