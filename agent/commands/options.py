"""Options that several commands share, and the titles under which help shows them."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from commandline.help import option_group
from commandline.options import all_of
from commandline.program.completion import completing
from contract.device import HARDWARE_CLASSES, checked_device_id
from contract.errors import Malformed
from contract.scenarios import SCENARIOS, SINGLE_STREAM

if TYPE_CHECKING:
    from agent.planning.limits import Limits

FOLDER: Final = click.Path(path_type=Path)
FILE: Final = click.Path(path_type=Path, dir_okay=False)

MEASURED: Final = "What to measure"
ARRIVAL: Final = "How questions arrive"
DURATION: Final = "How long"
RUNTIME: Final = "Runtime"
DELIVERY: Final = "Delivery"
DEVICE: Final = "This device"


class Threads(click.ParamType):  # type: ignore[type-arg]  # generic in later versions only
    """The type of `--threads`: `auto`, or a number."""

    name = "threads"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        """Return the number, or `auto`."""
        return "auto" if value == "auto" else click.IntRange(1, 1024).convert(value, param, ctx)

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """The name of the value in help."""
        return "N|auto"


class LimitsType(click.ParamType):  # type: ignore[type-arg]  # generic in later versions only
    """The type of `--limit`: a number, and numbers for single models or bundles."""

    name = "limits"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> "int | Limits":
        """Return the number, or the limits if they name a bundle."""
        from agent.planning.limits import parse_limits

        try:
            limits = parse_limits(str(value))
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)
        return limits if limits.named or limits.all is None else limits.all

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """The name of the value in help."""
        return "N[,NAME=N...]"


class Cores(click.ParamType):  # type: ignore[type-arg]  # generic in later versions only
    """The type of `--affinity`: a list of cores such as `0,2-3`."""

    name = "cores"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text if it is a list of cores that this machine has."""
        from agent.machine.device import core_list, cores_of, usable_core_numbers

        try:
            cores = cores_of(str(value))
        except ValueError:
            self.fail(f"{value!r} is not a list of cores: write it like 0,2-3.", param, ctx)
        usable = usable_core_numbers()
        if not cores <= usable:
            self.fail(f"{value!r} cannot be used: this machine has cores {core_list(usable)}.", param, ctx)
        return str(value)

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """The name of the value in help."""
        return "CORES"


def _device_id(context: click.Context, option: click.Parameter, text: str | None) -> str | None:
    try:
        return None if text is None else checked_device_id(text)
    except Malformed as error:
        raise click.BadParameter(str(error), context, option) from None


questions_option: Final = option_group(
    MEASURED,
    click.option(
        "--questions", "question_file", type=FILE, required=True, help="Question file in SQuAD v1.1 format."
    ),
    click.option(
        "--answerable-only",
        is_flag=True,
        help="Leave out the questions of a SQuAD 2.0 file that have no answer, and print how many.",
    ),
)

json_option: Final = click.option("--json", "as_json", is_flag=True, help="Print JSON.")

state_options: Final = option_group(
    DEVICE,
    click.option(
        "--state-dir",
        metavar="DIR",
        type=FOLDER,
        help="Folder for the outbox, where results wait for delivery, and for this device's name. "
        "[default: $XDG_STATE_HOME/distilbench, or ~/.local/state/distilbench]",
    ),
)

_device_id_option: Final = click.option(
    "--device-id",
    metavar="NAME",
    callback=_device_id,
    help="Name of this device in its results. [default: the host name and six random characters, made once]",
)

device_options: Final = option_group(
    DEVICE,
    _device_id_option,
    click.option(
        "--hardware-class",
        metavar="NAME",
        shell_complete=completing(lambda _: ((name, "") for name in HARDWARE_CLASSES)),
        help="Kind of hardware, such as pi-5-fan; the report compares runs of one class. [default: detected]",
    ),
    state_options,
)

threads_option: Final = click.option(
    "--threads",
    metavar="N",
    type=click.IntRange(min=1, max=1024),
    help="Number of threads within one operator of the network. "
    "[default: one per physical core that the process may use]",
)

_password_file_option: Final = click.option(
    "--password-file",
    type=FILE,
    help="File with the broker password on its first line; only its owner may have access (chmod 600).",
)

_ca_file_option: Final = click.option(
    "--ca-file",
    type=FILE,
    help="PEM file of the certificates to trust with mqtts://. [default: those of the system]",
)

hub_options: Final = option_group(
    "Login at the hub, which a machine that has joined it has in its configuration",
    _device_id_option,
    _password_file_option,
    _ca_file_option,
    state_options,
)

delivery_options: Final = option_group(
    DELIVERY,
    click.option(
        "--broker",
        metavar="URL",
        help="Send results to this MQTT broker: mqtt://[user@]host[:port], or mqtts:// for TLS.",
    ),
    click.option("--to-file", type=FILE, help="Append results to this file instead of sending them."),
    _password_file_option,
    _ca_file_option,
    click.option(
        "--cert-file",
        type=FILE,
        help="PEM file with this device's own certificate, for a broker that requires one.",
    ),
    click.option(
        "--key-file",
        type=FILE,
        help="PEM file with the key of --cert-file; only its owner may have access (chmod 600).",
    ),
    click.option(
        "--flush-seconds",
        metavar="SECONDS",
        type=click.FloatRange(min=0),
        default=60.0,
        show_default=True,
        help="At the end, wait at most this many seconds until a collector has confirmed all results.",
    ),
)

outbox_options: Final = option_group(
    DELIVERY,
    click.option(
        "--publish",
        type=click.Choice(("live", "after")),
        default="live",
        show_default=True,
        help="Send results during a run, in pauses between questions, or after all runs.",
    ),
    click.option(
        "--outbox-mib",
        metavar="MIB",
        type=click.IntRange(min=1, max=65_536),
        default=64,
        show_default=True,
        help="Largest size of the outbox in MiB.",
    ),
    click.option(
        "--when-full",
        type=click.Choice(("pause", "drop-oldest")),
        default="pause",
        show_default=True,
        help="If the outbox is full, pause the run until a collector has confirmed results, or drop and "
        "count the oldest answers.",
    ),
)

order_options: Final = option_group(
    "Orders of the hub",
    click.option(
        "--keep-mib",
        metavar="MIB",
        type=click.IntRange(min=1, max=16_777_216),
        default=4096,
        show_default=True,
        help="Largest size in MiB of the bundles and questions that are kept for orders. What no order names "
        "is dropped when there is no room; what you fetched or copied yourself never is.",
    ),
)

selection_options: Final = option_group(
    MEASURED,
    click.option(
        "--limit",
        type=LimitsType(),
        help="Ask at most N questions, chosen at random by --seed; NAME=N is for the bundles of a model, or "
        "for a bundle by its folder's name. [default: all]",
    ),
    click.option(
        "--seed",
        metavar="N",
        type=click.IntRange(min=0, max=2**63 - 1),
        default=0,
        show_default=True,
        help="Seed for the choice and the order of the questions, and for random arrivals.",
    ),
    click.option(
        "--canary",
        "canary_file",
        type=FILE,
        help="Also ask the questions that this file of `collector canaries` names, before the first round. "
        "They reveal a broken kernel, and count in no number.",
    ),
)

runtime_options: Final = option_group(
    RUNTIME,
    click.option(
        "--threads",
        type=Threads(),
        help="Number of threads within one operator of the network; auto measures several numbers once "
        "and uses the fastest. [default: one per physical core that the process may use]",
    ),
    click.option(
        "--spinning/--no-spinning",
        default=True,
        show_default=True,
        help="Let threads wait for work in a loop instead of sleeping: faster, but uses more energy.",
    ),
    click.option(
        "--arena/--no-arena",
        default=True,
        show_default=True,
        help="Keep memory for the next question instead of returning it to the system.",
    ),
    click.option(
        "--huge-pages/--no-huge-pages",
        default=True,
        show_default=True,
        help="Ask Linux for memory in large pages: faster. Needs glibc, and has no effect elsewhere.",
    ),
    click.option(
        "--affinity",
        type=Cores(),
        help="Compute on these cores only, such as 0,2-3. [default: the system's choice]",
    ),
    click.option(
        "--provider",
        metavar="NAME",
        default="CPUExecutionProvider",
        show_default=True,
        help="Execution provider of onnxruntime, such as CUDAExecutionProvider.",
    ),
    click.option(
        "--ignore-memory",
        is_flag=True,
        default=False,
        help="Load a bundle even if it is estimated not to fit into memory.",
    ),
    option_group(
        DURATION,
        click.option(
            "--warmup",
            metavar="N",
            type=click.IntRange(min=0, max=10_000),
            default=10,
            show_default=True,
            help="Answer N questions before the first one is recorded.",
        ),
    ),
)

measuring_options: Final = all_of(selection_options, runtime_options)

load_options: Final = all_of(
    option_group(
        ARRIVAL,
        click.option(
            "--scenario",
            type=click.Choice(SCENARIOS),
            default=SINGLE_STREAM,
            show_default=True,
            help="How questions arrive: one at a time, in batches, at random times like users, one at a time "
            "for some minutes, or driven by MLPerf's LoadGen.",
        ),
        click.option(
            "--batch-size",
            metavar="N",
            type=click.IntRange(1, 1024),
            help="offline: answer N questions at once. [default: 8]",
        ),
        click.option(
            "--qps",
            metavar="N",
            type=click.FloatRange(0, 1e6, min_open=True),
            help="server: ask N questions per second on average. "
            "[default: find the highest rate within --latency-bound]",
        ),
        click.option(
            "--latency-bound",
            metavar="MS",
            type=click.FloatRange(0, 1e6, min_open=True),
            help="server: highest acceptable p99 latency in milliseconds, queueing included. "
            "[required for server]",
        ),
        click.option(
            "--minutes",
            metavar="MINUTES",
            type=click.FloatRange(0, 1e5, min_open=True),
            help="sustained: ask for this many minutes. [default: 10]",
        ),
    ),
    option_group(
        DURATION,
        click.option(
            "--rounds",
            metavar="N",
            type=click.IntRange(1, 1000),
            help="Share the questions out over N rounds. In each round every bundle has its turn, with a "
            "freshly loaded model. Only for single-stream. [default: 5]",
        ),
        click.option(
            "--turns",
            metavar="N",
            type=click.IntRange(1, 1000),
            help="Let each bundle have N turns in a round, with the models of all bundles loaded together if "
            "they fit into memory. On a machine that is not quiet, speed-ups usually have narrower intervals "
            "then. Energy is not measured. Only for single-stream. [default: 1]",
        ),
        click.option(
            "--min-queries",
            metavar="N",
            type=click.IntRange(min=0, max=10_000_000),
            default=0,
            help="Repeat the questions until at least N have been asked. [default: ask each question once]",
        ),
        click.option(
            "--min-seconds",
            metavar="SECONDS",
            type=click.FloatRange(0, 1e6),
            default=0.0,
            help="Repeat the questions until at least this many seconds have passed since the run began. "
            "[default: ask each question once]",
        ),
        click.option(
            "--max-seconds",
            metavar="SECONDS",
            type=click.FloatRange(0, 1e6, min_open=True),
            help="Stop the run this many seconds after it began. [default: no limit]",
        ),
        click.option(
            "--until",
            type=click.Choice(("p90", "p99")),
            help="Repeat the questions until an upper bound of this percentile holds with 99 % confidence. "
            "p90 needs at least 64 different questions, p99 at least 662.",
        ),
    ),
    option_group(
        MEASURED,
        click.option(
            "--decoding",
            type=click.Choice(("pipeline", "squad")),
            default="pipeline",
            show_default=True,
            help="Choose answers as Hugging Face's question-answering pipeline does, or as the official "
            "SQuAD scripts do.",
        ),
    ),
)
