"""What a comparison says: the types behind every report, and, encoded, the `json` format itself."""

import msgspec


class BertScoreModel(msgspec.Struct, frozen=True, kw_only=True):
    """With what the BERTScores of a comparison were computed."""

    model: str
    layers: int
    hash: str


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What one model in one precision does on one hardware class."""

    hardware_class: str
    questions: str
    """Name of the question file."""
    questions_sha256: str
    model: str
    title: str
    precision: str
    distillation: str
    parameters: int
    layers: int
    size_bytes: int
    """All files of the bundle."""
    weights_origin: str
    runs: int
    devices: int
    answered: int
    """Questions answered, without errors."""
    selected: int
    """Questions asked for."""
    exact_match: float | None
    """Percent, over the questions answered and those that ended in an error."""
    f1: float | None
    """Percent, the same."""
    bertscore_f1: float | None
    """0 to 1, raw, the same."""
    p50_ms: float | None
    p90_ms: float | None
    timed: int
    """Answers whose time counts."""
    untimed: int
    """Answers whose time does not: marked as disturbed, or errors."""
    speed_up: float | None
    """Against the baseline on the same hardware; see `statistics.speed_up`."""
    speed_up_questions: int
    """On how many questions that rests."""
    peak_rss_bytes: int | None
    best_for: tuple[str, ...]
    notes: dict[str, tuple[str, ...]]
    """What has to be said about a field, by the field's name: why it is None, or what limits it."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a report shows. Encoded as JSON it is the `json` format."""

    format: str = "distilbench-comparison"
    version: int = 1
    generated_at: str
    collector_id: str
    baseline: str
    bertscore: BertScoreModel | None
    rows: tuple[Row, ...]
    remarks: tuple[str, ...]
    """What has to be said about the whole."""
