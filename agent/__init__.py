"""The light program on a device: measures one model bundle on one question file, and keeps what it found.

It answers questions in a worker process, times each one, commits every result to an outbox on the device
and sends the outbox to a collector, forgetting a result only when the collector says that it has it.
It knows no gold answers and no scores, and installs nothing that an edge device does not need.
"""

import os

# The one thing that happens at import, since it must be said before anything imports onnxruntime: its wheels
# for Linux otherwise make a session id (in `/tmp/.ses`) and have an address to report to.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
