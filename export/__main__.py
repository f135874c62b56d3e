"""The entry point of the program, also as `python -m export`."""

import sys

from commandline.program.start import start


def main() -> int:
    """Run the program; return its exit status."""
    return start("export.cli")


if __name__ == "__main__":
    sys.exit(main())
