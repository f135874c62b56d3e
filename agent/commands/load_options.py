"""Reads from the options of `agent run` how questions are asked: in which way, how many and how long."""

from collections.abc import Mapping
from typing import Any

import click

from agent.planning.load import load_from
from agent.planning.plan import Load
from contract.scenarios import contradiction


def load_of(values: Mapping[str, Any]) -> Load:
    """The load that the values of `options.load_options` describe.

    Raises:
        UsageError: options that cannot be combined.
    """
    if sentence := contradiction(values):
        raise click.UsageError(sentence)
    return load_from(values)
