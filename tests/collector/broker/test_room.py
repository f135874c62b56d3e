"""The room for messages that wait to be stored, and each device's share of it."""

from collector.broker.room import Room


def test_a_device_may_take_a_quarter_of_the_messages_or_of_the_bytes() -> None:
    room = Room(100, 1000)
    assert [room.take("a", 1) for _ in range(26)] == [True] * 25 + [False]
    assert [room.take("b", size) for size in (200, 51, 50, 1)] == [True, False, True, False]
    assert room.take("c", 1)
    room.free("a", 1)
    assert room.take("a", 1) and not room.take("a", 1)
    assert room.taken_bytes == 25 + 250 + 1


def test_what_is_stored_leaves_nothing_behind() -> None:
    room = Room(100, 1000)
    for sender in (None, "a", None):
        assert room.take(sender, 7)
    for sender in (None, "a", None):
        room.free(sender, 7)
    assert room.taken_bytes == 0
    assert not room._counts and not room._sizes


def test_a_single_message_has_room_however_large_it_is() -> None:
    room = Room(100, 1000)
    assert room.take("a", 900) and not room.take("a", 1)
