import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agent.cli import cli
from agent.commands.config import CONFIG
from agent.errors import AgentError
from collector.broker.credentials import agent_config
from commandline.config import variable
from contract.config import decode_config
from tests.canary import CANARY, may_hold


def run(*arguments: str | Path, **variables: str) -> Result:
    return CliRunner(env=variables).invoke(cli, [str(argument) for argument in arguments])


def written(folder: Path, text: str) -> Path:
    file = folder / "agent.toml"
    file.write_text(text)
    return file


def shown(*arguments: str | Path, **variables: str) -> dict[str, tuple[object, str]]:
    ended = run("config", "show", "--json", *arguments, **variables)
    assert ended.exit_code == 0, ended.output
    return {key: (setting["value"], setting["source"]) for key, setting in json.loads(ended.stdout).items()}


def test_a_flag_outranks_a_variable_which_outranks_the_file(tmp_path: Path) -> None:
    file = written(tmp_path, 'threads = 1\nseed = 1\nwarmup = 1\nbroker = "mqtt://here"\n')
    variables = {"DISTILBENCH_THREADS": "2", "DISTILBENCH_SEED": "2"}
    found = shown("--config", file, "--threads", "3", **variables)
    assert found["threads"] == (3, "--threads")
    assert found["seed"] == (2, "DISTILBENCH_SEED")
    assert found["warmup"] == (1, str(file))
    assert found["outbox-mib"] == (64, "default")
    assert found["limit"] == (None, "default")
    assert shown(DISTILBENCH_CONFIG=str(file))["broker"] == ("mqtt://here", str(file))


def test_the_users_own_file_is_read_instead_of_the_machines(tmp_path: Path) -> None:
    own = tmp_path / "distilbench" / "agent.toml"
    own.parent.mkdir()
    assert CONFIG.of_machine == Path("/etc/distilbench/agent.toml")
    assert shown(XDG_CONFIG_HOME=str(tmp_path))["threads"] == (None, "default")
    own.write_text("threads = 1\n")
    assert shown(XDG_CONFIG_HOME=str(tmp_path))["threads"] == (1, str(own))
    assert shown("--config", written(tmp_path, "seed = 1"), XDG_CONFIG_HOME=str(tmp_path))["threads"] == (
        None,
        "default",
    )


def test_a_home_that_is_absent_or_closed_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "exists", refused)
        assert CONFIG.default == CONFIG.of_machine
    monkeypatch.delenv("XDG_CONFIG_HOME")

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    assert CONFIG.default == CONFIG.new == CONFIG.of_machine


@pytest.mark.parametrize(("user", "place"), [(1000, "of_user"), (0, "of_machine")])
def test_a_new_file_is_the_users_own_unless_the_user_is_root(
    user: int, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: user)
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert CONFIG.new == getattr(CONFIG, place)
    assert CONFIG.of_user == tmp_path / ".config" / "distilbench" / "agent.toml"
    machine = tmp_path / "etc" / "distilbench" / "agent.toml"
    monkeypatch.setattr(type(CONFIG), "of_machine", machine)
    assert run("config", "init", "--threads", "2").exit_code == 0, "the folder is made"
    assert CONFIG.read(CONFIG.new) == {"threads": 2}
    assert run("config", "check").exit_code == 0


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("thread = 2", "unknown key 'thread': did you mean 'threads'?"),
        ('password_file = "x"', "did you mean 'password-file'?"),
        ("[broker]\nurl = 1", "'broker' must be one text"),
        ("xyzzy = 1", "the known keys are affinity, "),
        ('threads = "four"', "threads: 'four' is not a valid integer"),
        ("threads = 2.5", "threads: '2.5' is not a valid integer"),
        ("threads = true", "threads: 'True' is not a valid integer"),
        ("threads = 0", "threads: 0 is not in the range 1<=x<=1024"),
        ('publish = "soon"', "publish: 'soon' is not one of"),
        ("threads = ", "is not TOML"),
        ("threads = 1\nthreads = 2", "is not TOML"),
        ("#" * 70_000, "at most 65536 are allowed"),
    ],
)
def test_what_is_wrong_in_a_file_is_quoted(tmp_path: Path, text: str, complaint: str) -> None:
    file = written(tmp_path, text)
    with pytest.raises(AgentError) as error:
        CONFIG.read(file)
    assert complaint in str(error.value)
    assert str(file) in str(error.value)
    assert isinstance(run("status", "--config", file).exception, AgentError)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_a_file_of_a_windows_editor_is_read(encoding: str) -> None:
    assert decode_config('device-id = "küche"\r\n'.encode(encoding), {"device-id"}) == {"device-id": "küche"}


def test_paths_begin_at_the_file(tmp_path: Path) -> None:
    file = written(tmp_path, 'ca-file = "ca.crt"\nstate-dir = "/var/lib/x"')
    assert CONFIG.read(file) == {"ca-file": str(tmp_path / "ca.crt"), "state-dir": "/var/lib/x"}


def test_a_new_file_explains_every_key_and_is_right(tmp_path: Path) -> None:
    file = tmp_path / "new.toml"
    made = run("config", "init", file, "--broker", "mqtt://here", "--threads", "2")
    assert made.exit_code == 0, made.output
    assert CONFIG.read(file) == {"broker": "mqtt://here", "threads": 2}
    text = file.read_text()
    for key, option in CONFIG.settings.items():
        assert f"{key} = " in text or f"#{key} =" in text
        assert variable(option) in text
    assert isinstance(run("config", "init", file).exception, AgentError), "it is not overwritten"
    assert run("config", "check", file).stdout == f"{file}: 2 keys, nothing wrong\n"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('broker = "http://here"', "is not a broker"),
        ('broker = "mqtt://me:secret@here"', "holds a password"),
        ('broker = "mqtts://me@here"\npassword-file = "gone"', "cannot read the password file"),
        ('broker = "mqtts://here"\nca-file = "gone"', "cannot read the file of certificates"),
        ('broker = "mqtt://here"\nto-file = "x"', "cannot be set together"),
        ('device-id = "Küche"', "is not a device id"),
    ],
)
def test_a_check_goes_beyond_single_values(tmp_path: Path, text: str, complaint: str) -> None:
    error = run("config", "check", written(tmp_path, text)).exception
    assert isinstance(error, AgentError)
    assert complaint in str(error)
    assert "secret" not in str(error)


def test_the_file_is_used_where_the_command_line_is_silent(tmp_path: Path) -> None:
    file = written(tmp_path, f'device-id = "kitchen-pi"\nstate-dir = "{tmp_path}"')
    ended = run("device", "--config", file)
    assert json.loads(ended.stdout)["device_id"] == "kitchen-pi"
    ended = run("device", "--config", file, "--device-id", "attic-pi")
    assert json.loads(ended.stdout)["device_id"] == "attic-pi"


def test_a_flag_turns_the_results_away_from_the_configured_broker(tmp_path: Path) -> None:
    file = written(tmp_path, f'broker = "mqtt://127.0.0.1:1"\nstate-dir = "{tmp_path}"')
    ended = run("flush", "--config", file, "--to-file", tmp_path / "out.jsonl")
    assert ended.exit_code == 0, ended.output
    both = run("flush", "--broker", "mqtt://here", "--to-file", "x")
    assert both.exit_code == 2
    assert "either --broker URL or --to-file FILE" in both.output


def test_another_broker_is_not_given_the_configured_password(tmp_path: Path) -> None:
    file = written(tmp_path, 'broker = "mqtts://me@here"\npassword-file = "gone"')
    configured = run("flush", "--config", file, "--state-dir", tmp_path)
    assert "cannot read the password file" in str(configured.exception)
    other = run("flush", "--config", file, "--state-dir", tmp_path, "--broker", "mqtt://127.0.0.1:1")
    assert other.exit_code == 0, "it has no need of the password file"


def test_the_agent_takes_what_the_collector_provisions(tmp_path: Path) -> None:
    file = written(tmp_path, agent_config("kitchen-pi", "mqtts://broker.example", ca_file=True))
    assert CONFIG.read(file) == {
        "device-id": "kitchen-pi",
        "broker": "mqtts://kitchen-pi@broker.example",
        "password-file": str(tmp_path / "password"),
        "ca-file": str(tmp_path / "ca.crt"),
    }


def test_a_password_in_a_url_is_not_shown(tmp_path: Path) -> None:
    file = may_hold(written(tmp_path, f'broker = "mqtt//u:{CANARY}@h"\n'))
    for output in (
        run("config", "show", "--config", file),
        run("config", "show", "--json", "--config", file),
    ):
        assert output.exit_code == 0 and CANARY not in output.output
        assert "(not shown: it may hold a password)" in output.output
    assert CANARY not in run("config", "check", file).output
