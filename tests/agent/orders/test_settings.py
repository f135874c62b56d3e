"""A device takes orders only with what it got at its hub, and its secret is private."""

from pathlib import Path

import pytest

from agent.errors import BadInput
from agent.orders.settings import OrderSettings, read_order_settings

SECRET = "5c" * 32
HUB = 'url = "https://h:8642"\npin = "x"\naddresses = ["h"]\nhttps-port = 8642\nmqtt-port = 8883\n'


def read(folder: Path) -> OrderSettings | None:
    return read_order_settings(folder, None, None, None, 1)


def test_without_a_hub_or_a_secret_a_device_takes_no_orders(tmp_path: Path) -> None:
    assert read(tmp_path) is None
    (tmp_path / "hub.toml").write_text(HUB)
    assert read(tmp_path) is None
    (tmp_path / "order-secret").write_text(f"{SECRET}\n")
    (tmp_path / "order-secret").chmod(0o600)
    settings = read(tmp_path)
    assert settings is not None and settings.secret == SECRET


@pytest.mark.parametrize(
    ("text", "mode", "sentence"),
    [
        (SECRET, 0o644, "others may read the secret for orders"),
        (SECRET[:-1], 0o600, "is not 64 hexadecimal digits: join the hub again"),
        ("", 0o600, "is not 64 hexadecimal digits"),
        ("ü" * 64, 0o600, "is not 64 hexadecimal digits"),
    ],
)
def test_a_secret_that_cannot_be_used_is_said_without_it(
    tmp_path: Path, text: str, mode: int, sentence: str
) -> None:
    (tmp_path / "hub.toml").write_text(HUB)
    file = tmp_path / "order-secret"
    file.write_text(text)
    file.chmod(mode)
    with pytest.raises(BadInput, match=sentence) as caught:
        read(tmp_path)
    assert not text or text not in str(caught.value)
