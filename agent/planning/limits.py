"""How many questions a command asks each of its bundles: one number for all, or a number of their own."""

from collections.abc import Sequence
from typing import Final

import msgspec

from agent.bundles.bundle import Bundle
from agent.errors import BadInput
from contract.codec import printable

_FORM: Final = "write it like 300, or like 300,bert-large=60 with a number of its own for a model"


class Limits(msgspec.Struct, frozen=True):
    """The largest numbers of questions to ask.

    The questions of a lower limit are the first ones of those of a higher limit.
    """

    all: int | None = None
    """For each bundle without a number of its own; None for all questions."""
    named: tuple[tuple[str, int], ...] = ()
    """The bundles with a number of their own, by the name of their folder or of their model."""

    def __str__(self) -> str:
        every = () if self.all is None else (str(self.all),)
        return ",".join((*every, *(f"{name}={number}" for name, number in self.named)))

    def of(self, bundle: Bundle) -> int | None:
        """The limit of a bundle: that of its folder, else that of its model, else that of all."""
        own = dict(self.named)
        return own.get(bundle.folder.resolve().name, own.get(bundle.manifest.model, self.all))

    def check(self, bundles: Sequence[Bundle]) -> None:
        """Check that every name is that of a bundle.

        Raises:
            BadInput: one is not.
        """
        known = {name: None for one in bundles for name in (one.manifest.model, one.folder.resolve().name)}
        for name, _ in self.named:
            if name not in known:
                raise BadInput(
                    f"--limit names {name!r}, but no bundle of this command has that model or folder: "
                    f"there are {', '.join(map(printable, known))}"
                )


def parse_limits(text: str) -> Limits:
    """Parse limits such as `300`, `300,bert-large=60` or `bert-large=60`.

    Raises:
        ValueError: the text is something else; the message quotes it and says how to write it.
    """
    every: list[int] = []
    named: dict[str, int] = {}
    for part in text.split(","):
        name, equals, number = part.rpartition("=")
        name, number = name.strip(), number.strip()
        if not (number.isascii() and number.isdigit() and int(number)) or bool(name) != bool(equals):
            raise ValueError(f"{text!r} is not a number of questions: {_FORM}")
        if name in named or (not name and every):
            what = f"for {name!r}" if name else "for all bundles"
            raise ValueError(f"{text!r} has two numbers of questions {what}: {_FORM}")
        if name:
            named[name] = int(number)
        else:
            every.append(int(number))
    return Limits(every[0] if every else None, tuple(named.items()))
