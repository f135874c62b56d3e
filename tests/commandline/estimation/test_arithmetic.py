"""The arithmetic of a network per question."""

import pytest

from commandline.estimation.arithmetic import Length, gigaflops
from contract.bundle import Architecture


def shape(layers: int) -> Architecture:
    return Architecture(
        family="bert",
        layers=layers,
        hidden_size=384,
        attention_heads=12,
        intermediate_size=1536,
        vocab_size=30_522,
        max_positions=512,
    )


def test_arithmetic_is_that_of_the_layers() -> None:
    one = gigaflops(shape(1), [Length(1, 100)])
    assert one == pytest.approx(2 * (100 * 12 * 384**2 + 2 * 100**2 * 384) / 1e9)
    assert gigaflops(shape(6), [Length(1, 100)]) == pytest.approx(6 * one)
    assert gigaflops(shape(1), [Length(2, 200)]) == pytest.approx(2 * one)
