"""One complete example of each message and of the manifest: what the golden files of this version hold."""

from msgspec.structs import replace

from contract.bundle import Architecture, FileEntry, Manifest, Weights
from contract.device import Device
from contract.messages import Batch, Message, Receipt, Refusal, State, Stream
from contract.orders.order import Order, OrderedRun, OrderList
from contract.orders.progress import OrderProgress
from contract.records import (
    Answer,
    Canary,
    QuestionSet,
    RoundFinished,
    RoundStarted,
    RunFinished,
    RunResumed,
    RunStarted,
    Sample,
    Settings,
)
from contract.version import FORMAT_VERSION

RUN_ID = "0f" * 16
SESSION_ID = "5e" * 16
ORDER_ID = "6d" * 16

ARCHITECTURE = Architecture(
    family="bert",
    layers=6,
    hidden_size=384,
    attention_heads=12,
    intermediate_size=1536,
    vocab_size=30522,
    max_positions=512,
)

SETTINGS = Settings(
    scenario="single-stream",
    decoding="pipeline",
    max_tokens=384,
    stride_tokens=128,
    max_answer_tokens=15,
    threads=4,
    warmup_questions=10,
    seed=0,
)

MANIFEST = Manifest(
    format_version=FORMAT_VERSION,
    model="minilm-l6",
    title="MiniLM-L6",
    architecture=ARCHITECTURE,
    parameters=22_565_378,
    distillation="self-attention and value relations",
    weights=Weights(
        origin="adapter",
        source="reader on sentence-transformers/all-MiniLM-L6-v2",
        licence="Apache-2.0",
        training_data="SQuAD v1.1 dev, 36 articles",
        training_articles=("Kenya", "Oxygen"),
    ),
    precision="int8",
    recipe={"method": "dynamic", "per_channel": True, "smoothing": 0.8},
    inputs=("input_ids", "attention_mask", "token_type_ids"),
    max_tokens=512,
    tools={"onnxruntime": "1.32.0"},
    created_at="2026-11-24T12:00:00Z",
    files={
        "model.onnx": FileEntry(bytes=23_000_000, sha256="ab" * 32),
        "tokenizer.json": FileEntry(bytes=711_661, sha256="cd" * 32),
    },
)

DEVICE = Device(
    device_id="kitchen-pi-3f2a1c",
    hardware_class="raspberry-pi-5",
    class_named=True,
    hypervisor="KVM",
    model="Raspberry Pi 5 Model B Rev 1.0",
    architecture="aarch64",
    cpu_model="Cortex-A76",
    cpu_flags=("asimddp", "asimdhp"),
    cores=4,
    memory_bytes=8_454_000_640,
    os="Debian GNU/Linux 12 (bookworm)",
    kernel="6.6.51+rpt-rpi-2712",
    governor="ondemand",
    versions={"python": "3.11.2", "onnxruntime": "1.32.0"},
)

BATCH = Batch(
    device_id=DEVICE.device_id,
    run_id=RUN_ID,
    epochs=((0, "1d" * 8), (1, "2e" * 8)),
    records=(
        RunStarted(
            seq=0,
            device=DEVICE,
            bundle_sha256="ef" * 32,
            bundle=MANIFEST,
            questions=QuestionSet(name="sample-questions.json", sha256="12" * 32, total=168, selected=1),
            settings=replace(SETTINGS, limit=1, options={"allow_spinning": True}, rounds=5),
            started_at="2026-11-24T12:30:00.250Z",
            clock_synchronised=True,
            epoch="1d" * 8,
            order=ORDER_ID,
        ),
        RunResumed(seq=1, epoch="2e" * 8, resumed_at="2026-11-24T12:31:00Z"),
        RoundStarted(
            seq=2,
            round=0,
            at_ns=1_900_000_000,
            load_ns=310_000_000,
            first_ns=95_000_000,
            remarks=("the processor is throttled now",),
        ),
        Canary(seq=3, question_id="basalt-columns-02", text="olivine", confidence=0.03125),
        Answer(
            seq=4,
            at_ns=2_000_000_000,
            question_id="basalt-columns-01",
            text="日本 🧪 «São Tomé»",
            start_char=17,
            end_char=33,
            confidence=0.8125,
            tokenize_ns=400_000,
            infer_ns=61_000_000,
            decode_ns=300_000,
            windows=1,
            tokens=171,
        ),
        Answer(
            seq=5,
            at_ns=2_100_000_000,
            question_id="basalt-columns-02",
            text="",
            start_char=0,
            end_char=0,
            confidence=0.0,
            tokenize_ns=1,
            infer_ns=0,
            decode_ns=0,
            windows=0,
            tokens=0,
            repeat=1,
            marks=("agent_busy", "throttled"),
            error="the context is empty",
        ),
        Sample(
            seq=6,
            at_ns=2_200_000_000,
            temperature_celsius=71.5,
            clock_hz=2_400_000_000,
            throttle=("soft_temperature_limit",),
            worker_rss_bytes=181_000_000,
            energy_joules=12.5,
        ),
        RoundFinished(seq=7, round=0, at_ns=2_250_000_000, peak_rss_bytes=190_000_000),
        RunFinished(
            seq=8,
            status="inconclusive",
            reason="too few questions for p90",
            answered=1,
            errors=1,
            elapsed_ns=2_300_000_000,
            load_ns=310_000_000,
            first_ns=95_000_000,
            peak_rss_bytes=190_000_000,
            energy_source="raspberry-pi-5-pmic",
            finished_at="2026-11-24T12:30:03Z",
        ),
    ),
)

RECEIPT = Receipt(
    device_id=DEVICE.device_id,
    collector_id="workstation",
    streams=(
        Stream(
            run_id=RUN_ID,
            stored=((0, 2), (4, 4)),
            refused=(Refusal(first_seq=3, last_seq=3, reason="unknown mark"),),
        ),
    ),
)

STATE = State(
    device_id=DEVICE.device_id,
    session_id=SESSION_ID,
    state="connected",
    at="2026-11-24T12:30:00Z",
    agent_version="0.1.0",
    pending=120,
    dropped=0,
    run_id=RUN_ID,
    answered=40,
    selected=168,
    temperature_celsius=71.5,
    orders_revision=7,
    orders=(
        OrderProgress(id=ORDER_ID, phase="measuring", measured=1, bundle="minilm-l6 int8", round=2, rounds=5),
        OrderProgress(id="8a" * 16, phase="refused", reason="the hub has no bundle named 'minilm-l12'"),
    ),
)

ORDER_SECRET = "5c" * 32

ORDERS = OrderList(
    device_id=DEVICE.device_id,
    revision=7,
    orders=(
        Order(
            id=ORDER_ID,
            created_at="2026-11-24T12:00:00Z",
            bundles={"minilm-l6-fp32": "cd" * 32, "minilm-l6-int8": "ef" * 32},
            questions={"sample-questions.json": "12" * 32},
            runs=(
                OrderedRun(
                    bundles=("minilm-l6-fp32", "minilm-l6-int8"),
                    questions="sample-questions.json",
                    limit=100,
                    threads=4,
                ),
                OrderedRun(
                    bundles=("minilm-l6-int8",),
                    questions="sample-questions.json",
                    canary=("basalt-columns-02",),
                    scenario="server",
                    latency_bound=100.0,
                    threads="auto",
                    affinity="0,2-3",
                ),
            ),
            rounds=3,
            idle_celsius=40.5,
        ),
        Order(
            id="7b" * 16,
            created_at="2026-11-24T12:30:00Z",
            now=True,
            cancelled=True,
            bundles={"minilm-l6-int8": "ef" * 32},
            questions={"sample-questions.json": "12" * 32},
            runs=(OrderedRun(bundles=("minilm-l6-int8",), questions="sample-questions.json"),),
        ),
    ),
)

MESSAGES: dict[str, Message] = {"batch": BATCH, "receipt": RECEIPT, "state": STATE}
