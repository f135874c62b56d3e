"""`python -m bench`: says which claims can be measured."""

import ast
from pathlib import Path

_SUPPORT = {
    *("contestants", "device", "fleet", "interruptible", "nullreader", "records", "sidebyside", "slopes"),
    "watch",
}
"""Parts that benchmarks use."""


def main() -> None:
    """Print the first sentence of each benchmark."""
    for path in sorted(Path(__file__).parent.glob("[a-z]*.py")):
        if path.stem not in _SUPPORT:
            says = ast.get_docstring(ast.parse(path.read_text())) or ""
            print(f"{path.stem:<8} {says.splitlines()[0]}")
    print("\nOne of them: make bench BENCH=NAME, or python -m bench.NAME for its options")


if __name__ == "__main__":
    main()
