"""The finding on canaries: whether a device answers them as another machine does."""

import msgspec


class CanaryCheck(msgspec.Struct, frozen=True, kw_only=True):
    """The canaries of one run, compared with the answers of a run of the same bundle on another device."""

    run_id: str
    device_id: str
    title: str
    """Title of the model."""
    precision: str
    asked: int
    """How many canaries the run was asked."""
    differ: int
    """How many of them have another answer than in the source, errors included."""
    examples: tuple[str, ...]
    """The ids of at most 5 of these."""
    source_run_id: str | None
    """The run that they are compared with; None if no other run of the bundle answered all questions."""
    source_device_id: str | None

    @property
    def sentence(self) -> str | None:
        """The alarm; None if there is none."""
        if not self.differ:
            return None
        what = f"{self.title} {self.precision} on {self.device_id} (run {self.run_id[:8]})"
        why = (
            "fp32 answers them alike on healthy machines"
            if self.precision == "fp32"
            else f"a few may change with {self.precision} between kinds of processors, many do not"
        )
        return (
            f"alarm: {self.differ} of {self.asked} canaries of {what} have another answer than on "
            f"{self.source_device_id} (run {(self.source_run_id or '')[:8]}): {why}, so suspect a broken "
            "kernel of the runtime or faulty hardware"
        )
