"""A store starts without pandas and numpy, and leaves both to who needs them."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.installed import module

ROOT = Path(__file__).parents[3]
LIBRARY = "from collector.store.sqlite.library import Database, _Hidden"


def run(code: str) -> None:
    subprocess.run([sys.executable, "-c", f"import sys; {code}"], cwd=ROOT, check=True, timeout=60)


@pytest.mark.parametrize("name", ["numpy", "pandas"])
def test_it_is_not_imported_with_a_store_and_can_be_afterwards(name: str) -> None:
    module(name)
    run(f"import collector.store.opening; assert {name!r} not in sys.modules; import {name}")


def test_what_is_imported_already_stays() -> None:
    run(f"import numpy as np; {LIBRARY}; assert sys.modules['numpy'] is np; Database(memory=True)")


def test_another_thread_may_import_it_meanwhile() -> None:
    run(
        f"{LIBRARY}; from concurrent.futures import ThreadPoolExecutor; from importlib import import_module\n"
        "sys.meta_path.insert(0, _Hidden())\n"
        "with ThreadPoolExecutor(1) as other:\n"
        "    other.submit(import_module, 'numpy').result()\n"
        "    assert 'numpy' in sys.modules\n"
    )
