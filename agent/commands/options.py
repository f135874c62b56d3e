"""Options that several commands share."""

from pathlib import Path
from typing import Any, Final

import click

from commandline.options import all_of
from contract.scenarios import SCENARIOS, SINGLE_STREAM

FOLDER: Final = click.Path(path_type=Path)
FILE: Final = click.Path(path_type=Path, dir_okay=False)

state_options: Final = all_of(
    click.option(
        "--state-dir",
        type=FOLDER,
        help="Where results wait until they are delivered. [default: $XDG_STATE_HOME/distilbench]",
    )
)

device_options: Final = all_of(
    click.option("--device-id", help="Name of this device. [default: made once from the host's name]"),
    click.option("--hardware-class", help="Results are compared within one. [default: detected]"),
    state_options,
)


class Threads(click.ParamType):  # type: ignore[type-arg]  # generic in later versions only
    """`auto`, or a number."""

    name = "threads"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        """The number, or the word."""
        return "auto" if value == "auto" else click.IntRange(1, 1024).convert(value, param, ctx)

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """How it is shown in help."""
        return "N|auto"


class Cores(click.ParamType):  # type: ignore[type-arg]  # the same
    """A list such as `0,2-3`."""

    name = "cores"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The same list, if it is one."""
        from agent.machine.device import cores_of

        try:
            cores_of(str(value))
        except ValueError:
            self.fail(f"{value!r} is no list of cores: write it like 0,2-3.", param, ctx)
        return str(value)

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """How it is shown in help."""
        return "CORES"


threads_option: Final = click.option(
    "--threads",
    type=click.IntRange(min=1, max=1024),
    help="Threads within an operator. [default: the physical cores it may use]",
)

delivery_options: Final = all_of(
    click.option("--broker", metavar="URL", help="mqtt://[user@]host[:port], or mqtts:// for TLS."),
    click.option("--to-file", type=FILE, help="Add the results to this file instead."),
    click.option("--password-file", type=FILE, help="Holds the broker's password; private to its owner."),
    click.option("--ca-file", type=FILE, help="Certificates to trust for mqtts://."),
    click.option("--cert-file", type=FILE, help="This device's own certificate, for a broker that asks."),
    click.option("--key-file", type=FILE, help="Its key; private to its owner."),
    click.option(
        "--flush-seconds",
        type=click.FloatRange(min=0),
        default=60.0,
        show_default=True,
        help="How long to wait at the end until a collector has everything.",
    ),
)

outbox_options: Final = all_of(
    click.option(
        "--publish",
        type=click.Choice(("live", "after")),
        default="live",
        show_default=True,
        help="Send results between questions, or when all runs have ended.",
    ),
    click.option(
        "--outbox-mib",
        type=click.IntRange(min=1, max=65_536),
        default=64,
        show_default=True,
        help="How much may wait for a collector.",
    ),
    click.option(
        "--when-full",
        type=click.Choice(("pause", "drop-oldest")),
        default="pause",
        show_default=True,
        help="What to do when that is reached; what is dropped is counted.",
    ),
)

measuring_options: Final = all_of(
    click.option("--limit", type=click.IntRange(min=1), help="Ask at most this many questions."),
    click.option(
        "--seed",
        type=click.IntRange(min=0, max=2**63 - 1),
        default=0,
        show_default=True,
        help="Chooses the questions under a limit, and their order.",
    ),
    click.option(
        "--threads",
        type=Threads(),
        help="Threads within an operator; auto tries which number is fastest, once. "
        "[default: the physical cores it may use]",
    ),
    click.option(
        "--spinning/--no-spinning",
        default=True,
        show_default=True,
        help="Let threads wait for the next operator in a loop: faster, and dearer in energy.",
    ),
    click.option(
        "--arena/--no-arena",
        default=True,
        show_default=True,
        help="Keep memory that was used once for the next question.",
    ),
    click.option(
        "--huge-pages/--no-huge-pages",
        default=True,
        show_default=True,
        help="Let memory come in large pages, where Linux and glibc have them: faster.",
    ),
    click.option(
        "--affinity",
        type=Cores(),
        help="Stay on these cores, such as 0,2-3. [default: the system's choice]",
    ),
    click.option(
        "--provider",
        metavar="NAME",
        default="CPUExecutionProvider",
        show_default=True,
        help="What computes, by onnxruntime's name.",
    ),
    click.option(
        "--ignore-memory",
        is_flag=True,
        default=False,
        help="Load what is estimated not to fit into memory.",
    ),
    click.option(
        "--warmup",
        type=click.IntRange(min=0, max=10_000),
        default=10,
        show_default=True,
        help="Questions to answer before any is recorded.",
    ),
)

load_options: Final = all_of(
    click.option(
        "--scenario",
        type=click.Choice(SCENARIOS),
        default=SINGLE_STREAM,
        show_default=True,
        help="One question after the other; in batches; as users ask; for minutes; or by MLPerf's LoadGen.",
    ),
    click.option(
        "--decoding",
        type=click.Choice(("pipeline", "squad")),
        default="pipeline",
        show_default=True,
        help="Answer as Hugging Face's pipeline does, or as the official SQuAD scripts do.",
    ),
    click.option(
        "--min-queries",
        type=click.IntRange(min=0, max=10_000_000),
        default=0,
        help="Ask the questions again until they are so many.",
    ),
    click.option(
        "--min-seconds",
        type=click.FloatRange(0, 1e6),
        default=0.0,
        help="The same, until so long after the start.",
    ),
    click.option(
        "--max-seconds", type=click.FloatRange(0, 1e6, min_open=True), help="End so long after the start."
    ),
    click.option(
        "--until",
        type=click.Choice(("p90", "p99")),
        help="Ask again until this percentile is known with 99 % confidence.",
    ),
    click.option(
        "--batch-size", type=click.IntRange(1, 1024), help="offline: questions at once. [default: 8]"
    ),
    click.option(
        "--qps",
        type=click.FloatRange(0, 1e6, min_open=True),
        help="server: questions a second. [default: the highest rate that holds]",
    ),
    click.option(
        "--latency-bound",
        metavar="MS",
        type=click.FloatRange(0, 1e6, min_open=True),
        help="server: what p99 may be, queueing included.",
    ),
    click.option(
        "--minutes", type=click.FloatRange(0, 1e5, min_open=True), help="sustained: how long. [default: 10]"
    ),
)
