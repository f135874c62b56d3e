"""Installs the agent in a clean Debian root, measures there, delivers, and compares the answers with ours.

    make arm64                        # aarch64, under emulation
    make arm64 ARM64="--machine x86_64"   # the same without emulation

Emulated time is no measurement: what is compared are answers. The table goes into docs/arm64.md.
"""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click

from tests.arm64.root import SUITES, DebianRoot, ProofError
from tests.mosquitto import Mosquitto

ROOT = Path(__file__).parents[2]
QUESTIONS = ROOT / "demo" / "sample-questions.json"
DEVICE = "debian-root"
MAX_INSTALL_MB = 170
BUNDLES = ("minilm-l6-fp32", "minilm-l6-int8-arm64", "minilm-l6-int8-portable")
OWN = ("/opt/distilbench", "/etc/distilbench", "/var/lib/distilbench", "/etc/systemd/system/distilbench-")
ACCOUNTS = {
    f"/etc/{name}{suffix}" for name in ("passwd", "group", "shadow", "gshadow") for suffix in ("", "-")
}
ACCOUNTS |= {"/etc/subuid", "/etc/subgid", "/etc/subuid-", "/etc/subgid-", "/etc/.pwd.lock"}
RUNS_THERE = f"SELECT * FROM v_runs WHERE device_id = '{DEVICE}' AND status = 'complete'"
PAIRS = f"""
    SELECT here.bundle_sha256, count(*) AS questions, sum(mine.text = other.text) AS same,
        avg(mine.f1) AS f1_here, avg(other.f1) AS f1_there
    FROM v_runs AS here JOIN v_runs AS there ON here.bundle_sha256 = there.bundle_sha256
    JOIN v_answers AS mine ON mine.run_id = here.run_id
    JOIN v_answers AS other ON other.run_id = there.run_id AND other.question_id = mine.question_id
    WHERE here.device_id = 'here' AND there.device_id = '{DEVICE}'
    GROUP BY here.bundle_sha256
"""
AGENT = "runuser -u distilbench -- /opt/distilbench/current/bin/agent"


@click.command()
@click.option("--machine", type=click.Choice(("aarch64", "x86_64")), default="aarch64")
@click.option("--python", type=click.Choice(tuple(SUITES)), default="3.11", help="That of the Debian.")
@click.option("--limit", type=int, default=24, help="Questions to ask each bundle.")
@click.option(
    "--folder", type=click.Path(path_type=Path), default=ROOT / ".venv" / "arm64", help="Keeps the root."
)
@click.option("--table", type=click.Path(path_type=Path), help="Write the comparison to this page.")
def main(machine: str, python: str, limit: int, folder: Path, table: Path | None) -> None:
    """Prove that the agent installs, measures and delivers on a clean Debian of MACHINE."""
    try:
        prove(machine, python, limit, folder.absolute(), table)
    except ProofError as error:
        raise SystemExit(f"arm64: {error}") from None


def prove(machine: str, python: str, limit: int, folder: Path, table: Path | None) -> None:
    """Do it all, in the order in which a user would."""
    folder.mkdir(parents=True, exist_ok=True)
    step("making the wheel and collecting wheels")
    house = wheelhouse(folder, machine, python)
    step("building the bundles")
    bundles = build_bundles(folder / "bundles")
    step("making a clean Debian")
    root = DebianRoot(folder, machine, python)
    root.make()
    work = folder / f"run-{machine}-{python}"
    subprocess.run(["rm", "-rf", work], check=True)
    work.mkdir()
    database = work / "results.db"
    questions = short_questions(work / "questions", limit)
    with Mosquitto(work, lines=broker_lines(work)) as broker:
        provision(work, broker, "collector")
        device = provision(work, broker, DEVICE)
        program("collector", "questions", "add", questions, "--db", database)
        with (work / "collector.log").open("w") as log:
            serving = subprocess.Popen(
                command(
                    "collector", "serve", "--config", work / "collector" / "collector.toml", "--db", database
                ),
                stdout=log,
                stderr=log,
            )
            try:
                in_root(root, house, device, bundles, questions)
            finally:
                serving.terminate()
                serving.wait(60)
    step("measuring the same here")
    results = work / "here.jsonl"
    arguments = ("--questions", questions, "--to-file", results)
    where = ("--state-dir", work / "state", "--device-id", "here")
    program("agent", "run", *(bundles / name for name in BUNDLES), *arguments, *where)
    program("collector", "ingest", results, "--db", database)
    program("collector", "score", "--db", database)
    there = json.loads(program("collector", "query", "--db", database, "--format", "json", RUNS_THERE))
    check(len(there) == len(BUNDLES), f"{len(there)} runs arrived instead of {len(BUNDLES)}")
    foreign = machine != os.uname().machine
    if foreign:
        classes = {run["hardware_class"] for run in there}
        check(classes == {"emulated"}, f"emulated runs are called {classes}")
    found = json.loads(program("collector", "query", "--db", database, "--format", "json", PAIRS))
    check(len(found) == len(BUNDLES), f"{len(found)} bundles could be compared instead of {len(BUNDLES)}")
    hashes = {sha256_of(bundles / name / "manifest.json"): name for name in BUNDLES}
    page = comparison(
        [{**row, "bundle": hashes[row["bundle_sha256"]]} for row in found], machine, python, limit
    )
    if table is None:
        click.echo(page)
    else:
        table.write_text(page)
    step("all proven")


def in_root(root: DebianRoot, house: Path, device: Path, bundles: Path, questions: Path) -> None:
    """Install, measure, deliver, install again, remove."""
    shown = {"wheels": house, "config": device, "bundles": bundles, "questions": questions.parent}
    install = "/mnt/wheels/install-agent.sh --config /mnt/config"

    def inside(command: str) -> str:
        done = root.run(command, shown)
        if done.returncode:
            raise ProofError(
                f"in the root, '{command}' ended with {done.returncode}:\n{done.stdout}{done.stderr}"
            )
        return done.stdout + done.stderr

    step("installing there")
    click.echo(inside(install), err=True)
    check(
        "not mended" not in inside(f"{AGENT} doctor --config /etc/distilbench/agent.toml || true"), "doctor"
    )
    size = int(inside("du -sm /opt/distilbench/current/ | cut -f1"))
    check(
        size <= MAX_INSTALL_MB or "x86_64" in house.name,
        f"the installation takes {size} MB, and at most {MAX_INSTALL_MB} are allowed",
    )
    step(f"the installation takes {size} MB")
    strange = [path for path in root.tree() if not path.startswith(OWN) and path not in ACCOUNTS]
    strange = [path for path in strange if not any(own.startswith(path + "/") or own == path for own in OWN)]
    strange = [path for path in strange if root.tree()[path].kind != "d"]
    check(not strange, f"the installer changed more than it says: {strange}")

    step("installing again")
    before = root.tree()
    inside(install)
    after = root.tree()
    differ = sorted(p for p in before.keys() | after.keys() if before.get(p) != after.get(p))
    differ = [path for path in differ if not path.startswith("/var/lib/distilbench/")]  # the doctor's visit
    check(not differ, f"installing twice changed {differ}")

    step("measuring there, which takes a while under emulation")
    for path, text in (("/etc/distilbench/plan.toml", plan(questions)),):
        (root.changes / path.lstrip("/")).write_text(text)
    click.echo(inside(f"{AGENT} run-plan /etc/distilbench/plan.toml --flush-seconds 120"), err=True)
    status = json.loads(inside(f"{AGENT} status --json"))
    check(status["pending"] == 0, f"{status['pending']} results were not delivered")

    step("removing it")
    inside("/mnt/wheels/install-agent.sh --uninstall")
    left = [path for path in root.tree() if path.startswith(OWN)]
    left = [path for path in left if not path.startswith(("/etc/distilbench", "/var/lib/distilbench"))]
    left = [path for path in left if root.tree()[path].kind != "c"]  # an overlay's mark of what is gone
    check(not left, f"removing it left {left}")
    inside("/mnt/wheels/install-agent.sh --purge")
    left = [p for p, entry in root.tree().items() if p.startswith(OWN) and entry.kind != "c"]
    check(not left, f"purging it left {left}")
    for name in ("passwd", "group", "shadow", "gshadow"):
        check(
            root.text(f"/etc/{name}") == root.text_before(f"/etc/{name}"),
            f"purging it left /etc/{name} changed",
        )


def plan(questions: Path) -> str:
    """The plan that is carried out in the root."""
    names = ", ".join(f'"/mnt/bundles/{name}"' for name in BUNDLES)
    return (
        f"cool-down-minutes = 0\n[[run]]\nbundles = [{names}]\n"
        f'questions = "/mnt/questions/{questions.name}"\nthreads = 2\nwarmup = 0\n'
    )


def short_questions(folder: Path, limit: int) -> Path:
    """A question file of the shortest contexts: emulation is some hundred times slower."""
    articles = json.loads(QUESTIONS.read_text())["data"]
    every = [
        (paragraph["context"], qa)
        for a in articles
        for paragraph in a["paragraphs"]
        for qa in paragraph["qas"]
    ]
    chosen = sorted(every, key=lambda one: (len(one[0]), one[1]["id"]))[:limit]
    paragraphs = [{"context": context, "qas": [qa]} for context, qa in chosen]
    folder.mkdir()
    path = folder / "shortest.json"
    path.write_text(json.dumps({"version": "1.1", "data": [{"title": "shortest", "paragraphs": paragraphs}]}))
    return path


def wheelhouse(folder: Path, machine: str, python: str) -> Path:
    """The folder that goes to the device."""
    dist, house = folder / "dist", folder / f"wheelhouse-{machine}-{python}"
    for old in (dist, house):
        subprocess.run(["rm", "-rf", old], check=True)
    build: list[str | Path] = [
        sys.executable,
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "--outdir",
        dist,
        ROOT,
    ]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = dist.glob("*.whl")
    make: list[str | Path] = [
        ROOT / "deploy" / "make-wheelhouse.sh",
        "--python",
        python,
        "--machine",
        machine,
        wheel,
        house,
    ]
    done = subprocess.run(make, env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}, check=False)
    check(done.returncode == 0, "not every wheel is to be had")
    return house


def build_bundles(to: Path) -> Path:
    """The demo's reader: fp32, int8 for ARM, int8 for any processor."""
    for precision, target in (("fp32,int8", "portable"), ("int8", "arm64")):
        what = ("--weights", ROOT / "demo" / "reader", "--precision", precision, "--target", target)
        program("export", "build", "minilm-l6", *what, "--no-verify", "--to", to)
    return to


def broker_lines(work: Path) -> list[str]:
    """Credentials and rights as `deploy/mosquitto` sets them up, without TLS on loopback."""
    (work / "passwords").touch(mode=0o600)
    acl = ROOT / "deploy" / "mosquitto" / "acl"
    return ["allow_anonymous false", f"password_file {work}/passwords", f"acl_file {acl}"]


def provision(work: Path, broker: Mosquitto, name: str) -> Path:
    """Let someone in at the broker."""
    folder = work / name
    program(
        "collector",
        "provision",
        name,
        "--passwords",
        work / "passwords",
        "--broker",
        broker.url,
        "--to",
        folder,
    )
    broker.stop()
    broker.start()
    return folder


def comparison(found: list[dict[str, Any]], machine: str, python: str, limit: int) -> str:
    """The page: how often the answers of one bundle differ between two processors."""
    lines = [
        "# The same answers on ARM?",
        "",
        "Written by `make arm64`: the demo's reader on x86-64 and, under user-mode emulation, on Debian's",
        f"{machine} (Python {python}), the {limit} sample questions of the shortest contexts. Emulated time",
        "is no measurement and not shown.",
        "",
        "| bundle | questions | same answer | F1 % on x86-64 | F1 % there |",
        "|---|--:|--:|--:|--:|",
    ]
    for row in sorted(found, key=lambda row: BUNDLES.index(row["bundle"])):
        same = f"{row['same']} ({100 * row['same'] / row['questions']:.1f} %)"
        scores = f"{100 * row['f1_here']:.1f} | {100 * row['f1_there']:.1f}"
        lines.append(f"| {row['bundle']} | {row['questions']} | {same} | {scores} |")
    return "\n".join(lines) + "\n"


def sha256_of(path: Path) -> str:
    """Digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def command(name: str, *arguments: str | Path) -> list[str]:
    """One of the three programs."""
    return [sys.executable, "-m", name, *map(str, arguments)]


def program(name: str, *arguments: str | Path) -> str:
    """Run one of the three programs here."""
    done = subprocess.run(command(name, *arguments), cwd=ROOT, capture_output=True, text=True, check=False)
    check(
        done.returncode == 0, f"'{name} {arguments[0]}' ended with {done.returncode}: {done.stderr[-2000:]}"
    )
    return done.stdout


def check(fact: bool, otherwise: str) -> None:
    """Go on, or fail with a sentence."""
    if not fact:
        raise ProofError(otherwise)


def step(what: str) -> None:
    """Say what comes now."""
    click.secho(f"== {what}", err=True, bold=True)


if __name__ == "__main__":
    main()
