"""Folders of bundles and question files, as a hub offers them to its devices."""

import hashlib
from pathlib import Path

from collector.orders.offered import Offer
from collector.orders.ordered_plan import OrderedPlan, read_ordered_plan
from contract.bundle import Manifest, encode_manifest
from tests.collector import factory

PLAN = 'rounds = 2\n[[run]]\nbundles = ["minilm-fp32", "minilm-int8"]\nquestions = "rivers.json"\n'


def put_bundle(folder: Path, name: str, manifest: Manifest) -> str:
    """Write a bundle's manifest; returns its SHA-256."""
    data = encode_manifest(manifest)
    (folder / name).mkdir(parents=True)
    (folder / name / "manifest.json").write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def offered(folder: Path) -> Offer:
    """Two bundles and a question file."""
    for precision in ("fp32", "int8"):
        put_bundle(folder / "bundles", f"minilm-{precision}", factory.manifest(precision=precision))
    (folder / "questions").mkdir()
    (folder / "questions" / "rivers.json").write_bytes(factory.QUESTIONS)
    return Offer(folder / "bundles", folder / "questions")


def planned(folder: Path, text: str = PLAN, offer: Offer | None = None) -> OrderedPlan:
    """A plan that is written to a file and read again."""
    (folder / "plan.toml").write_text(text)
    return read_ordered_plan(folder / "plan.toml", offer or offered(folder))
