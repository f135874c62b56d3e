"""What one `agent run` is asked to measure, and the plan for each of its bundles."""

from pathlib import Path
from typing import Literal, NamedTuple

from agent.bundles.bundle import Bundle
from agent.outbox.outbox import WhenFull
from agent.planning.canaries import read_canaries
from agent.planning.limits import Limits
from agent.planning.plan import Load, Plan, Questions, RuntimeOptions, plan_run, settings_for
from contract.device import Device


class RunRequest(NamedTuple):
    """The options of `agent run` that decide what is measured and how, and how results wait."""

    bundles: tuple[Path, ...]
    question_file: Path
    answerable_only: bool
    """Leave out the questions of `question_file` that have no answer."""
    limits: Limits
    """Number of questions to ask each bundle."""
    canary_file: Path | None
    """File with the canaries; None for none."""
    seed: int
    threads: int | Literal["auto"] | None
    """Intra-op threads; None for one per physical core, `auto` for the fastest number in a trial."""
    warmup: int
    """Number of questions to answer before any is recorded."""
    decoding: str
    runtime: RuntimeOptions
    load: Load
    ignore_memory: bool
    """Load the bundles even if they are estimated not to fit."""
    resume: bool
    """Resume an interrupted run of the same plan."""
    outbox_bytes: int
    """Largest size of the outbox."""
    when_full: WhenFull

    def plan(self, device: Device, bundle: Bundle, questions: Questions, remarks: tuple[str, ...]) -> Plan:
        """The plan for one of the bundles; with `auto`, it has the default number of threads.

        Args:
            device: the measuring device.
            bundle: one of `bundles`, described.
            questions: the content of `question_file`.
            remarks: reasons not to measure now.

        Raises:
            BundleRefused: its manifest does not fit into a message.
            BadInput: the canaries cannot be read, or are of another question file.
        """
        settings = settings_for(
            bundle,
            limit=self.limits.of(bundle),
            seed=self.seed,
            threads=None if self.threads == "auto" else self.threads,
            warmup=self.warmup,
            decoding=self.decoding,
            options=self.runtime,
            load=self.load,
        )
        plan = plan_run(device, bundle, questions, settings)
        canaries = () if self.canary_file is None else read_canaries(self.canary_file, questions.file)
        return plan._replace(ignore_memory=self.ignore_memory, remarks=remarks, canaries=canaries)
