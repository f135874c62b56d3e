"""Boards that cannot join, in a clean Debian: each hears why in one sentence, and nothing is left behind."""

import re
from typing import Final

from tests.arm64.programs import check, step
from tests.arm64.root import DebianRoot
from tests.faults.proxy import Cutting
from tests.joining.board import Board
from tests.joining.hub import Hub
from tests.joining.network import HUB_ADDRESS

BY_SYSTEMD: Final = (
    *("/tmp/.", "/tmp/systemd-private-", "/var/tmp/systemd-private-", "/etc/machine-id", "/var/log/"),
    *("/var/lib/systemd/", "/var/lib/apt/", "/var/lib/dpkg/", "/var/cache/apt/", "/var/lib/private"),
)
"""What a Debian writes that is only switched on."""
_CUT_AFTER: Final = 2_000_000
"""Bytes after which a connection breaks: several of the wheels are larger than five times that."""
_CLOCK: Final = """
mkdir -p /run/feigned && cat >/run/feigned/date <<'END'
#!/bin/sh
exec /bin/date --date={} "$@"
END
chmod +x /run/feigned/date
"""
_AT_FEIGNED_TIME: Final = "| PATH=/run/feigned:$PATH sh"


class Refusals:
    """Lines that do not let a board in, and boards that cannot join.

    Args:
        root: the Debian of the board, in which nothing was changed yet.
        board: the board.
        hub: a hub that runs.
    """

    def __init__(self, root: DebianRoot, board: Board, hub: Hub) -> None:
        self._root, self._board, self._hub = root, board, hub

    def prove(self, line: str) -> None:
        """Try everything but the good line, which stays good.

        Raises:
            ProofError: something is not refused, not in one sentence, or leaves something.
        """
        self._another_key(line)
        self._cut_script(line)
        board = self._board
        for what, secret, sentence in (
            ("that is not known", "A" * 22, "this pass is not known here: "),
            ("that has expired", self._hub.new_pass(0.0), "this pass has expired: "),
            ("that was used", self._hub.spent_pass(), "this pass was used already: "),
        ):
            other = re.sub(r"(/join/)\S+", rf"\g<1>{secret}", line)
            self._refused(f"a line with a pass {what}", other, sentence)
        if not board.is_emulated:
            other = line.replace("| sh", "| setarch i686 sh")
            self._refused("a board of another architecture", other, "this processor is 'i686', but ")
        board.run("mount -t tmpfs -o size=100m tmpfs /opt")
        self._refused("a disk without room", line, "/opt has 100 MB free, but 500 MB are needed")
        board.run("umount /opt")
        for year, sentence in (
            (1970, "the clock shows 1970-01-02, so certificates would fail: "),
            (2099, "the clock shows 2099-01-02, but the hub's certificate ends on "),
        ):
            board.run(_CLOCK.format(f"{year}-01-02"))
            feigned = line.replace("| sh", _AT_FEIGNED_TIME)
            self._refused(f"a clock of {year}", feigned, sentence)
        proxy = Cutting(self._hub.port, _CUT_AFTER, HUB_ADDRESS)
        try:
            broken = line.replace("| sh", f"| sed 's/:{self._hub.port}/:{proxy.port}/' | sh")
            self._refused(
                "a download that is cut again and again", broken, f"the hub at https://{HUB_ADDRESS}:"
            )
        finally:
            proxy.close()

    def _another_key(self, line: str) -> None:
        step("a line with another key")
        said = self._board.attempt(re.sub(r"sha256//.", "sha256//_", line)).stdout
        check("public key" in said and said.count("\n") == 1, f"another key is not refused: {said}")
        self._nothing_is_left()

    def _cut_script(self, line: str) -> None:
        step("a script that is cut")
        self._board.attempt(line.replace("| sh", "| head -c 9000 | sh"))
        self._nothing_is_left()

    def _refused(self, what: str, line: str, sentence: str) -> None:
        step(what)
        ended = self._board.attempt(line)
        # The progress that the script reports before it ends is not the refusal.
        said = [each for each in ended.stdout.splitlines() if not each.startswith("program  ")]
        check(ended.returncode == 1, f"{what} ends with {ended.returncode}: {ended.stdout}")
        check(len(said) == 1 and said[0].startswith(f"distilbench: {sentence}"), f"{what} is told: {said}")
        self._nothing_is_left()

    def _nothing_is_left(self) -> None:
        left = [path for path in self._root.differences() if not path.startswith(BY_SYSTEMD)]
        check(not left, f"a refusal left {left}")
