"""The manual pages of the programs, from the same source as `--help`: `docs/man/PROGRAM.1`.

They are in roff's macros `man(7)`. The wheel installs them, so that `man PROGRAM` finds them.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from commandline.help import Command, CommandGroup, explanation, groups_of, names_of, summary
from docs.command_pages import PROGRAMS, STATUSES, Place, commands_of

FOLDER: Final = Path(__file__).parent / "man"


def pages() -> dict[Path, str]:
    """Every manual page: its path and its text."""
    return {FOLDER / f"{name}.1": _page(name, program) for name, program in PROGRAMS.items()}


def _page(name: str, program: CommandGroup) -> str:
    first, *others = commands_of(name, program)
    others_names = [other for other in PROGRAMS if other != name]
    lines = [
        '.\\" Generated from the code by python -m docs.generate: do not edit.',
        f'.TH "{name.upper()}" "1" "" "distilbench" "distilbench"',
        ".SH NAME",
        f"{_text(name)} \\- {_text(summary(program).rstrip('.'))}",
        ".SH SYNOPSIS",
        f".B {_text(name)}",
        "COMMAND [OPTIONS] [ARGUMENTS]",
        ".SH DESCRIPTION",
        *_description(first),
        ".SH COMMANDS",
        *(line for place in others for line in _command(place)),
        ".SH EXAMPLES",
        *_examples(program),
        ".SH EXIT STATUS",
        *(line for status, meaning in STATUSES for line in (".TP", f".B {status}", _text(meaning))),
        ".SH SEE ALSO",
        ", ".join(f".BR {_text(other)} (1)" for other in others_names).replace(", .BR", " ,\n.BR"),
    ]
    return "\n".join(lines) + "\n"


def _command(place: Place) -> Iterator[str]:
    name, command, context = place
    yield f'.SS "{_text(" ".join([name, *command.collect_usage_pieces(context)]))}"'
    yield from _description(place)
    for title, options in groups_of(command, context).items():
        own = [option for option in options if "--help" not in option.opts]
        if own:
            yield f".PP\n{_text(title)}:"
        for option in own:
            yield f".TP\n.B {_text(names_of(option, context))}\n{_text(explanation(option))}"
    if isinstance(command, Command) and command.examples:
        yield ".PP\nExamples:"
        yield from _examples(command)


def _description(place: Place) -> Iterator[str]:
    for number, paragraph in enumerate((place.command.help or "").split("\n\n")):
        yield (".PP\n" if number else "") + _text(" ".join(paragraph.split()))


def _examples(command: Command | CommandGroup) -> Iterator[str]:
    yield ".PP\n.nf"
    yield from (_text(f"  {line}".rstrip()) for line in command.examples.split("\n"))
    yield ".fi"


def _text(text: str) -> str:
    """Text in which roff acts on nothing: options keep their hyphens, and no line begins a macro."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("`", "")
    return re.sub(r"^([.'])", r"\\&\1", escaped, flags=re.MULTILINE)
