"""The compose file of a fleet, and what it mounts, with the real programs but without containers."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import click
import psycopg
import pytest
import yaml

from collector.cli import cli
from tests.collector.running_collector import wait_until
from tests.faults.certificates import Authority
from tests.nats import binary
from tests.postgres import Postgres, folder, programs, running

FLEET = Path(__file__).parents[2] / "deploy" / "fleet"


def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load((FLEET / "compose.yaml").read_text())["services"]
    return found


def test_it_has_all_parts_and_gives_them_no_rights() -> None:
    named = [name.rstrip("-123") for name in services()]
    assert {name: named.count(name) for name in named} == {
        "broker": 3,
        "primary": 1,
        "standby": 1,
        "collector": 2,
        "scheduler": 1,
        "worker": 2,
    }
    for service in services().values():
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_it_mounts_what_is_there() -> None:
    file = yaml.safe_load((FLEET / "compose.yaml").read_text())
    for service in file["services"].values():
        for volume in service["volumes"]:
            source = volume.partition(":")[0]
            made_by_hand = source.startswith(("./settings", "./certs"))
            assert made_by_hand or source in file["volumes"] or (FLEET / source).is_file(), source


def test_its_collectors_are_started_as_the_command_allows() -> None:
    _, command, *arguments = services()["collector-1"]["command"]
    serve = cli.get_command(click.Context(cli), command)
    assert serve is not None
    settings = arguments.index("--config")
    values = serve.make_context(command, arguments[:settings] + arguments[settings + 2 :]).params
    assert values["share"] == "fleet"
    assert str(values["database"]).startswith("postgresql://distilbench@primary,standby/")


def test_the_brokers_understand_their_configuration(tmp_path: Path) -> None:
    (tmp_path / "settings").mkdir()
    shutil.copy(FLEET / "users.conf", tmp_path / "settings")
    Authority(tmp_path).sign("server")
    text = (FLEET / "nats.conf").read_text()
    config = tmp_path / "nats.conf"
    config.write_text(text.replace("/certs", str(tmp_path)).replace("/data", str(tmp_path)))
    checked = subprocess.run(
        [binary(), "-t", "-c", config],
        env=os.environ | {"NAME": "broker-1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr


@pytest.mark.postgres
def test_the_scripts_make_a_primary_and_a_standby_that_follows_it(tmp_path: Path) -> None:
    settings = tmp_path / "settings"
    settings.mkdir()
    for name in ("superuser", "distilbench", "replication"):
        (settings / f"{name}-password").write_text(f"secret of {name}")
    with running() as primary, folder() as made:
        environment = {"SETTINGS": settings, "PGDATA": primary.data, "PGHOST": "127.0.0.1"}
        run(FLEET / "primary.sh", environment=environment | {"PGPORT": primary.port})
        owner = primary.url("distilbench").replace("postgres@", "distilbench@")
        with psycopg.connect(owner, autocommit=True) as conn:
            conn.execute("CREATE TABLE before (value TEXT)")
        data = made / "data"
        given = {"SETTINGS": settings, "PGDATA": data, "PRIMARY": "127.0.0.1", "PRIMARY_PORT": primary.port}
        assert "ready to run" in run(FLEET / "standby.sh", "echo", "ready to run", environment=given)
        again = run(FLEET / "standby.sh", "echo", "it is there already", environment=given)
        assert again == "it is there already\n"
        assert "application_name=standby" in (data / "postgresql.auto.conf").read_text()
        standby = Postgres(made, programs())
        standby.start()
        try:
            primary.wait_for_standby()
            with psycopg.connect(owner, autocommit=True) as conn:
                conn.execute("CREATE TABLE after (value TEXT)")
            with psycopg.connect(standby.url("distilbench"), autocommit=True) as conn:
                # The standby has written it before it confirms it, and shows it soon after.
                seen = "SELECT to_regclass('after') IS NOT NULL"
                wait_until(lambda: conn.execute(seen).fetchone() == (True,), "the table on the standby")
        finally:
            standby.stop()


def run(script: Path, *arguments: str, environment: dict[str, object]) -> str:
    given = {name: str(value) for name, value in environment.items()}
    done = subprocess.run(
        ["bash", script, *arguments],
        env=os.environ | given | {"PATH": f"{programs()}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
