"""`python -m bench` lists the benchmarks."""

import ast
from collections.abc import Iterator
from pathlib import Path


def commands() -> Iterator[tuple[str, str]]:
    """Each benchmark: its name, and the first sentence of its docstring. What they share is in folders."""
    for path in sorted(Path(__file__).parent.glob("[a-z]*.py")):
        documented = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        yield path.stem, documented.splitlines()[0]


def main() -> None:
    """Print the name and the sentence of each benchmark."""
    found = list(commands())
    width = max(len(name) for name, _ in found)
    for name, sentence in found:
        print(f"{name:<{width}}  {sentence}")
    print("\nRun one by python -m bench.NAME; python -m bench.NAME --help lists its options.")


if __name__ == "__main__":
    main()
