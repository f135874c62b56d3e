"""What one `agent run` is asked to measure, and the plan that follows from it for each bundle."""

from pathlib import Path
from typing import Literal, NamedTuple

from agent.bundles.bundle import Bundle
from agent.outbox.outbox import WhenFull
from agent.planning.plan import Load, Plan, Questions, RuntimeOptions, plan_run, settings_for
from contract.device import Device


class RunRequest(NamedTuple):
    """The options of `agent run` that say what is measured and how, and how results wait."""

    bundles: tuple[Path, ...]
    question_file: Path
    limit: int | None
    """Questions to ask; None for all."""
    seed: int
    threads: int | Literal["auto"] | None
    """Intra-op threads; None for one per physical core, `auto` for the fastest number in a trial."""
    warmup: int
    """Questions to answer before any is recorded."""
    decoding: str
    runtime: RuntimeOptions
    load: Load
    ignore_memory: bool
    """Load the bundles even if they are estimated not to fit."""
    resume: bool
    """Continue a run of the same plan that was interrupted."""
    outbox_bytes: int
    """How much may wait for a collector."""
    when_full: WhenFull

    def plan(self, device: Device, bundle: Bundle, questions: Questions, remarks: tuple[str, ...]) -> Plan:
        """The plan for one of the bundles; for `auto`, with the default number of threads.

        Args:
            device: what measures.
            bundle: one of `bundles`, described.
            questions: the content of `question_file`.
            remarks: what speaks against measuring now.

        Raises:
            BundleRefused: its manifest does not fit a message.
        """
        settings = settings_for(
            bundle,
            limit=self.limit,
            seed=self.seed,
            threads=None if self.threads == "auto" else self.threads,
            warmup=self.warmup,
            decoding=self.decoding,
            options=self.runtime,
            load=self.load,
        )
        plan = plan_run(device, bundle, questions, settings)
        return plan._replace(ignore_memory=self.ignore_memory, remarks=remarks)
