"""Which address a start of the hub uses."""

from collections.abc import Callable
from pathlib import Path

import pytest

from collector.errors import BadInput
from collector.hub.folder import HubFolder
from collector.hub.start_settings import Options, settle_settings


class TestAddress:
    """Which address a start uses, if this machine has the addresses of `here`."""

    @pytest.fixture
    def settle(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[str, list[str]]]:
        folder = HubFolder(tmp_path)

        def settled(here: list[str], at: str | None = None) -> tuple[str, list[str]]:
            said: list[str] = []
            monkeypatch.setattr("collector.hub.start_settings.own_addresses", lambda: here)
            return settle_settings(folder, Options(at=at), said.append).at, said

        return settled

    def test_it_stays_while_the_machine_has_it(self, settle: Callable[..., tuple[str, list[str]]]) -> None:
        assert settle(["192.168.1.2", "10.0.0.2"]) == ("192.168.1.2", [])
        assert settle(["10.0.0.2", "192.168.1.2"]) == ("192.168.1.2", [])

    def test_a_change_is_said_with_the_cure_and_the_old_one_is_kept_for_the_certificate(
        self, settle: Callable[..., tuple[str, list[str]]], tmp_path: Path
    ) -> None:
        settle(["192.168.1.2"])
        at, (said,) = settle(["192.168.1.7"])
        assert at == "192.168.1.7"
        assert said.startswith("the hub's address was 192.168.1.2 and is 192.168.1.7 now")
        assert "a reservation in the router" in said and "collector invite --name DEVICE" in said
        kept = HubFolder(tmp_path).settings().addresses
        assert {"192.168.1.2", "192.168.1.7"} <= set(kept)
        assert settle(["192.168.1.7"]) == ("192.168.1.7", [])

    def test_a_name_stays_wherever_the_machine_is(self, settle: Callable[..., tuple[str, list[str]]]) -> None:
        settle(["192.168.1.2"], at="workstation.local")
        assert settle(["10.0.0.9"]) == ("workstation.local", [])

    def test_without_a_network_it_must_be_named(self, settle: Callable[..., tuple[str, list[str]]]) -> None:
        with pytest.raises(BadInput, match="this machine has no network address: connect it, or name one"):
            settle([])
        assert settle([], at="127.0.0.1") == ("127.0.0.1", [])
