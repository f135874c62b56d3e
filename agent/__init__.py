"""The agent: a small program on a device that measures model bundles on a question file.

It answers questions in a worker process, times each one, commits every result to an outbox on the device
and sends the outbox to a collector. It deletes a result only after the collector has confirmed it.
It knows no gold answers and no scores, and installs nothing that an edge device does not need.
"""

import os

# The one thing that happens at import, since it must be set before anything imports onnxruntime: otherwise
# its wheels for Linux create a session id (in `/tmp/.ses`) and have an address to report to.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
