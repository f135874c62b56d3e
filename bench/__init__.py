"""The performance claims: each is one command that prints a Markdown table.

`python -m bench` lists them. The test suite runs each at its smallest size; the numbers in the documents come
from runs at full size.
"""

import sys

if sys.argv[:1] == ["-m"]:  # Python is still looking for the benchmark of `python -m bench.NAME`
    from bench.commandline.ending import print_error

    sys.excepthook = print_error
