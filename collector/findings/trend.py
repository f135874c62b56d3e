"""How the numbers of one model on one device changed over time: what `collector trend` prints."""

import msgspec

from collector.findings.between_rows import Interval


class Since(msgspec.Struct, frozen=True, kw_only=True):
    """What changed from an earlier run of a trend to a later one, on the questions that both answered."""

    run_id: str
    """The earlier run."""
    questions: int
    """How many questions both have a time for."""
    rounds: int
    """In how many rounds the runs took turns; 0 if they were measured at different times."""
    time_percent: float | None
    """Change of the geometric mean of the times, in percent; above 0 is slower. None without common
    questions."""
    time_interval: Interval | None
    """Interval of `time_percent`; None if nothing says how much times change from one command to another."""
    time_p_value: float | None
    """Probability of such a change by chance, adjusted by Holm's method for all such changes of the trend."""
    time_significant: bool | None
    """Whether the time changed by more than chance; None if there is no test."""
    f1_points: float | None
    """Change of F1 in points; None without an accuracy, or if the runs decode otherwise."""
    f1_interval: Interval | None
    f1_p_value: float | None
    """Probability of such a change by chance, adjusted by Holm's method for all such changes of the trend."""
    f1_significant: bool | None
    """Whether F1 changed by more than chance; None if there is no test."""


class TrendPoint(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a trend."""

    run_id: str
    started_at: str
    """By the device's clock."""
    questions: int
    """How many questions were answered without error."""
    p50_ms: float | None
    p50_interval: Interval | None
    p90_ms: float | None
    f1: float | None
    """In percent; None if it is withheld."""
    load_ms: float | None
    peak_rss_bytes: int | None
    bundle_sha256: str
    versions: dict[str, str]
    """The versions of the programs on the device."""
    changed: tuple[str, ...]
    """What else differs from the run before, such as a version: it may be the cause of a change."""
    since_last: Since | None
    """What changed since the run before; None for the first run."""
    since_first: Since | None
    """What changed since the first run; None for the first run."""


class Trend(msgspec.Struct, frozen=True, kw_only=True):
    """The runs of one model and precision on one device, with the same questions and settings."""

    device_id: str
    hardware_class: str
    machine: str
    """Type of the machine."""
    model: str
    title: str
    precision: str
    questions: str
    """Name of the question file."""
    questions_sha256: str
    settings: str
    """The decoding, the windows and the threads, which all runs share."""
    left_out: int
    """How many runs are left out: not complete, or with less than half as many questions as the largest."""
    points: tuple[TrendPoint, ...]
    """The runs in the order in which the collector received them."""
