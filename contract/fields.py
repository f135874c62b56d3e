"""The field types of the contract. A type's name gives its unit, and its definition gives its bounds.

Integers are at most 2^63 - 1, as in SQLite, so every integer that can be decoded can be stored.
"""

from typing import Annotated, Final

from msgspec import Meta

MAX_INT = 2**63 - 1

Count = Annotated[int, Meta(ge=0, le=MAX_INT)]
Nanoseconds = Annotated[int, Meta(ge=0, le=MAX_INT)]
"""A duration from the monotonic clock."""
Seconds = Annotated[float, Meta(ge=0.0, le=1e9)]
Rate = Annotated[float, Meta(ge=0.0, le=1e9)]
"""How many per second."""
Ratio = Annotated[float, Meta(ge=0.0, le=1e9)]
"""A number without a unit."""
Bytes = Annotated[int, Meta(ge=0, le=MAX_INT)]
Probability = Annotated[float, Meta(ge=0.0, le=1.0)]
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
RunId = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")]
"""A random UUID in hexadecimal."""
Epoch = Annotated[str, Meta(pattern=r"^[0-9a-f]{16}\Z")]
"""A random number in hexadecimal, which a command draws when it starts. Runs that take turns share it."""
DeviceId = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}\Z")]
"""Safe as one MQTT topic level, as a user name and as a file name."""
FILE_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
"""A `FileName`, as a regular expression for a whole text."""
FileName = Annotated[str, Meta(pattern=rf"^{FILE_NAME}\Z")]
"""A plain name of a bundle's folder or of a file: no path, no address."""
Name = Annotated[str, Meta(min_length=1, max_length=200)]
Text = Annotated[str, Meta(max_length=65_536)]
UtcTime = Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z\Z")]
"""Wall-clock time, ISO 8601 in UTC. For people; no duration is ever computed from it."""
