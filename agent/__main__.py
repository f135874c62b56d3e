"""The entry point of the program, also as `python -m agent`."""

import sys

from commandline.program.start import start


def main() -> int:
    """Run the program; return its exit status."""
    return start("agent.cli")


if __name__ == "__main__":
    sys.exit(main())
