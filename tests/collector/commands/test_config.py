import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from collector.cli import cli
from collector.commands.config import CONFIG
from collector.errors import CollectorError
from commandline.config import variable


def run(*arguments: str | Path, **variables: str) -> Result:
    return CliRunner(env=variables).invoke(cli, [str(argument) for argument in arguments])


def written(folder: Path, text: str) -> Path:
    file = folder / "collector.toml"
    file.write_text(text)
    return file


def test_a_flag_outranks_a_variable_which_outranks_the_file(tmp_path: Path) -> None:
    file = written(tmp_path, 'port = 1\nshare = "a"\ndb = "x.db"\nembedded-broker = true\n')
    ended = run(
        *("config", "show", "--json", "--port", "3"),
        DISTILBENCH_CONFIG=str(file),
        DISTILBENCH_PORT="2",
        DISTILBENCH_SHARE="b",
    )
    printed = {key: (found["value"], found["source"]) for key, found in json.loads(ended.stdout).items()}
    assert printed["port"] == (3, "--port")
    assert printed["share"] == ("b", "DISTILBENCH_SHARE")
    assert printed["db"] == (str(tmp_path / "x.db"), str(file))
    assert printed["embedded-broker"] == (True, str(file))
    assert printed["listen"] == (None, "default")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("pord = 1", "unknown key 'pord': did you mean 'port'?"),
        ("port = 0", "port: 0 is not in the range"),
        ("embedded-broker = 2", "embedded-broker: '2' is not a valid boolean"),
        ("db = [1]", "'db' must be one text"),
    ],
)
def test_what_is_wrong_in_a_file_is_quoted(tmp_path: Path, text: str, complaint: str) -> None:
    error = run("runs", "--config", written(tmp_path, text)).exception
    assert isinstance(error, CollectorError)
    assert complaint in str(error)
    assert str(tmp_path) in str(error)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('broker = "http://here"', "is not a broker: write mqtt://"),
        ('broker = "mqtt://me:secret@here"', "holds a password"),
        ('broker = "mqtt://me@here"\npassword-file = "gone"', "cannot read the password file"),
        ('broker = "mqtt://here"\nembedded-broker = true', "cannot be set together"),
        ('credentials = "gone"', "cannot read the credentials file"),
    ],
)
def test_a_check_goes_beyond_single_values(tmp_path: Path, text: str, complaint: str) -> None:
    error = run("config", "check", written(tmp_path, text)).exception
    assert isinstance(error, CollectorError)
    assert complaint in str(error)
    assert "secret" not in str(error)


def test_a_new_file_explains_every_key_and_is_right(tmp_path: Path) -> None:
    file = tmp_path / "new.toml"
    assert run("config", "init", file, "--db", "/var/lib/x.db").exit_code == 0
    assert CONFIG.read(file) == {"db": "/var/lib/x.db"}
    assert all(variable(option) in file.read_text() for option in CONFIG.settings.values())
    assert isinstance(run("config", "init", file).exception, CollectorError), "it is not overwritten"
    assert run("config", "check", file).stdout == f"{file}: 1 key, nothing wrong\n"


def test_a_flag_turns_away_from_the_configured_broker(tmp_path: Path) -> None:
    file = written(tmp_path, f'broker = "mqtt://127.0.0.1:1"\ndb = "{tmp_path}/x.db"')
    refused = run("serve", "--config", file, "--embedded-broker", "--listen", "127.0.0.1")
    assert "--listen needs --credentials" in refused.output
    assert "either --broker URL or --embedded-broker" in run("serve", "--db", "x").output
