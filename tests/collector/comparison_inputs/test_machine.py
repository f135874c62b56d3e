"""The type of a machine, from what its device says of itself."""

import time

from msgspec.structs import replace

from collector.comparison_inputs.machine import machine_of, without_revision
from tests.collector.factory import device


def test_a_revision_is_left_out() -> None:
    assert without_revision(" Raspberry Pi 5 Model B  Rev 1.1 ") == "Raspberry Pi 5 Model B"
    assert without_revision("Board Rev") == "Board Rev"


def test_no_text_of_a_device_costs_time() -> None:
    """Spaces, at which a pattern once looked again and again: half a minute for each row of each list."""
    odd = replace(device(), hardware_class="raspberry-pi-5", model="a" + " " * 65_000 + "b")
    begun = time.process_time()
    machine_of(odd)
    assert time.process_time() - begun < 1.0
