"""The format version of everything in the contract, and its history.

| version | since | what changed |
|---|---|---|
| 1 | distilbench 0.1 | first |
| 2 | not released | rounds of a run, the processes that write it, a device's hypervisor, canaries, orders |

Version 2 in detail: `RoundStarted`, `RoundFinished`, `Settings.rounds` and `Settings.turns`;
`RunStarted.epoch` and `RunResumed`; `Batch.epochs`, `Batch.gone`, `Stream.epochs` and `Refusal.epoch`;
`Sample.energy_joules` counts within the round; `Device.class_named` and `Device.hypervisor`;
`RateTrial.dropped`, `load` and `undecided`; `PercentileBound.queries` counts different questions instead of
answers; `Canary`; orders, `State.orders`, `State.orders_revision` and `RunStarted.order`.

A change that an older reader would misread or refuse needs the next number, an entry above, and a step
in `codec.UPGRADES` that converts the version before it. Readers upgrade older data and refuse newer data.
Receipts and bundle manifests are written in version 1 as long as they need nothing newer, so that older
agents read them.
"""

from typing import Final

FORMAT_VERSION: Final = 2
MANIFEST_VERSION: Final = 1
"""The version of the manifests that are written: the first one that has all of a manifest's fields."""
