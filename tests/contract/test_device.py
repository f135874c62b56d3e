import pytest

from contract.device import checked_device_id
from contract.errors import Malformed
from contract.topics import Topic, parse_topic, topic


@pytest.mark.parametrize("device_id", ["a", "pi-5", "kitchen.pi_2", "0" * 63])
def test_a_device_id_is_a_level_of_a_topic(device_id: str) -> None:
    assert checked_device_id(device_id) == device_id
    assert parse_topic(topic(device_id, "state")) == Topic(device_id, "state")


@pytest.mark.parametrize("text", ["", "Pi", "-pi", "pi 5", "a/b", "pi\n", "küche", "0" * 64, "a\x1b"])
def test_other_texts_are_quoted(text: str) -> None:
    with pytest.raises(Malformed, match=r"^'.*' is not a device id: use 1 to 63 of a-z") as refused:
        checked_device_id(text)
    assert str(refused.value).isprintable()
    with pytest.raises(Malformed):
        parse_topic(topic(text, "state"))
