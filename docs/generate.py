"""Generates the pages of `docs/` that describe code, from the code: `python -m docs.generate`.

A test compares the pages with the output of this module, so they cannot drift.
"""

import ast
import inspect
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from collector.findings import accuracy, canaries, comparison, relative, scenario_run, taken_over, verdict
from collector.findings import between_rows as findings
from collector.findings.comparison import Comparison
from contract import bundle, device, fields, messages, questions, records, topics
from contract.bundle import Manifest
from contract.messages import Batch, Receipt, State
from contract.orders import order, progress, sealed
from contract.orders.order import OrderList
from contract.orders.sealed import SealedOrders
from contract.version import FORMAT_VERSION
from docs import command_pages, man_pages

FOLDER = Path(__file__).parent
GOLDEN = FOLDER.parent / "tests" / "contract" / "golden" / f"v{FORMAT_VERSION}"
SCHEMAS: dict[str, Any] = {
    "batch": Batch,
    "receipt": Receipt,
    "state": State,
    "orders": SealedOrders,
    "manifest": Manifest,
    "comparison": Comparison,
}
CHANNELS: tuple[tuple[topics.Channel, str, str, str, bool], ...] = (
    ("results", "batch", "agent", "collector", False),
    ("state", "state", "agent", "collector", True),
    ("receipts", "receipt", "collector", "agent", False),
    ("orders", "orders", "collector", "agent", True),
)

WIRE_INTRO = """# The wire format: messages, records, bundle manifest and question files

Generated from `contract/` by `python -m docs.generate`: do not edit. JSON Schemas are in `docs/schemas/`.

This page lists the MQTT topics, and every field of the JSON that agent, collector and export exchange.

All JSON is UTF-8. Each message and each manifest has a `format_version`. A reader upgrades older versions
step by step. It refuses newer versions, and its error message says what to update. An unknown field is an
error. Optional fields may be left out.
"""

COMPARISON_INTRO = """# The report as JSON

Generated from `collector/` by `python -m docs.generate`: do not edit. The JSON Schema is
`docs/schemas/comparison.json`.

This page lists every field of the report in JSON. `collector report --json` prints one `Comparison`.
Its `version` grows when a field is removed or changes its meaning; new fields may be added without a new
version. Numbers are full, never rounded. If a null needs an explanation, the row's `notes` contain it.
[How to read the report](report.md) explains the terms.
"""


def pages() -> dict[Path, str]:
    """Every generated page: its path and its text."""
    generated = {FOLDER / "wire.md": _wire(), FOLDER / "report-json.md": _comparison()}
    generated[FOLDER / "asyncapi.yaml"] = _asyncapi()
    for name, kind in SCHEMAS.items():
        schema = _schema(kind)
        generated[FOLDER / "schemas" / f"{name}.json"] = (
            json.dumps(schema, indent=1, ensure_ascii=False) + "\n"
        )
    return generated | command_pages.pages() | man_pages.pages()


def _schema(kind: Any) -> dict[str, Any]:
    """The JSON Schema of a type; that of a sealed list is in its message."""
    schema = msgspec.json.schema(kind)
    if kind is SealedOrders:
        inner = msgspec.json.schema(OrderList)
        schema["$defs"] |= inner["$defs"]
        schema["$defs"]["SealedOrders"]["properties"]["list"] = {"$ref": inner["$ref"]}
    return schema


def _asyncapi() -> str:
    """AsyncAPI 3.0 in JSON, which is also YAML: the topics, who sends what on each, and the messages."""
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    for name, message, sender, receiver, retained in CHANNELS:
        channels[name] = {
            "address": topics.topic("{deviceId}", name),
            "description": f"From {sender} to {receiver}, QoS 1{', retained' if retained else ''}.",
            "parameters": {"deviceId": {"description": "The device's id, which is also its user name."}},
            "messages": {message: {"$ref": f"#/components/messages/{message}"}},
        }
        for who, action in ((sender, "send"), (receiver, "receive")):
            operations[f"{who}-{action}s-{name}"] = {
                "action": action,
                "channel": {"$ref": f"#/channels/{name}"},
                "bindings": {"mqtt": {"qos": 1, "retain": retained, "bindingVersion": "0.2.0"}},
            }
    document = {
        "asyncapi": "3.0.0",
        "info": {
            "title": "distilbench",
            "version": str(FORMAT_VERSION),
            "description": inspect.getdoc(messages),
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {
            "messages": {
                name: {
                    "summary": (inspect.getdoc(SCHEMAS[name]) or "").split("\n")[0],
                    "payload": {"$ref": f"schemas/{name}.json"},
                }
                for name in ("batch", "receipt", "state", "orders")
            }
        },
    }
    head = "# Generated from `contract/` by `python -m docs.generate`: do not edit.\n"
    return head + json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _wire() -> str:
    parts = [WIRE_INTRO, _fields()]
    for module, heading, examples in (
        (topics, "Topics", ()),
        (messages, "Messages", ("batch", "receipt", "state")),
        (progress, "How far a device is with its orders", ()),
        (sealed, "The message of orders", ("orders",)),
        (order, "Orders", ()),
        (records, "Records", ()),
        (device, "The device", ()),
        (bundle, "The bundle manifest", ("manifest",)),
        (questions, "Question files", ()),
    ):
        parts.append(f"## {heading}\n\n{inspect.getdoc(module)}\n")
        parts.extend(_structs(module))
        parts.extend(_example(name) for name in examples)
    return "\n".join(parts)


def _comparison() -> str:
    parts = [COMPARISON_INTRO]
    for module, heading in (
        (comparison, "The comparison"),
        (scenario_run, "Under load"),
        (accuracy, "Findings on accuracy"),
        (relative, "Relative to the teacher"),
        (taken_over, "Accuracy taken over"),
        (canaries, "Canaries"),
        (findings, "Findings"),
        (verdict, "Verdicts"),
    ):
        parts += [f"## {heading}\n\n{inspect.getdoc(module)}\n", *_structs(module)]
    return "\n".join(parts)


def _fields() -> str:
    rows = [
        f"| `{name}` | {_code(value)} | {doc} |"
        for name, value, doc in _documented(ast.parse(_source(fields)).body)
    ]
    head = "## Field types\n\n| type | definition | meaning |\n|---|---|---|"
    return "\n".join([head, *rows]) + "\n"


def _structs(module: ModuleType) -> list[str]:
    tables = []
    for node in ast.parse(_source(module)).body:
        if not isinstance(node, ast.ClassDef) or not ast.get_docstring(node):
            continue
        rows = [f"| `{name}` | {_code(kind)} | {doc} |" for name, kind, doc in _documented(node.body)]
        if rows:
            head = (
                f"### {node.name}\n\n{ast.get_docstring(node)}\n\n| field | type | meaning |\n|---|---|---|"
            )
            tables.append("\n".join([head, *rows]) + "\n")
    return tables


def _documented(body: list[ast.stmt]) -> list[tuple[str, str, str]]:
    """The name, the type or value, and the docstring below of each public assignment."""
    found = []
    for node, after in zip(body, [*body[1:], ast.Pass()], strict=True):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            name = node.target.id
            kind = ast.unparse(node.annotation)
            if node.value is not None:
                kind += f" = {ast.unparse(node.value)}"
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name, kind = node.targets[0].id, ast.unparse(node.value)
        else:
            continue
        if name.startswith("_") or "ClassVar" in kind:
            continue
        doc = ""
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            doc = " ".join(str(after.value.value).split())
        found.append((name, kind, doc))
    return found


def _code(text: str) -> str:
    return "`" + text.replace("|", "\\|") + "`"


def _example(name: str) -> str:
    text = json.dumps(json.loads((GOLDEN / f"{name}.json").read_text()), indent=1, ensure_ascii=False)
    return f"<details><summary>An example: {name}</summary>\n\n```json\n{text}\n```\n\n</details>\n"


def _source(module: ModuleType) -> str:
    return inspect.getsource(module)


def main() -> int:
    """Write the pages and print the path of each that changed."""
    for path, text in pages().items():
        path.parent.mkdir(exist_ok=True)
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            print(path.relative_to(FOLDER.parent))
    return 0


if __name__ == "__main__":
    sys.exit(main())
