"""Produce to the embedded log, acknowledged after fdatasync, beside encode + compress + write + fdatasync alone."""

from __future__ import annotations

import os
import tempfile
from typing import Any

from benchmarks.measure import pair, payloads, rate, row
from tankstreams.log import bundle
from tankstreams.log.clock import SystemClock
from tankstreams.log.commit import Append, Commit
from tankstreams.log.core import LogCore
from tankstreams.log.disk import RealDisk

RECORDS = 4096
BUNDLES = 256
PER_COMMIT = 32


def run(repeats: int) -> list[dict[str, Any]]:
    """Measure a million records in commits of 32 bundles."""
    keys, values, times = payloads(RECORDS * BUNDLES)
    columns = [
        (keys[start : start + RECORDS], values[start : start + RECORDS], times[start : start + RECORDS])
        for start in range(0, RECORDS * BUNDLES, RECORDS)
    ]
    count = RECORDS * BUNDLES
    with tempfile.TemporaryDirectory(prefix="tankstreams-bench-", dir=".") as directory:
        core = LogCore(f"{directory}/log", disk=RealDisk(), clock=SystemClock())
        core.start()
        core.settle(core.submit_create_topic("bench", 4, {}))

        def ours() -> None:
            for start in range(0, BUNDLES, PER_COMMIT):
                appends = [
                    Append("bench", place % 4, bundle.encode(*three))
                    for place, three in enumerate(columns[start : start + PER_COMMIT])
                ]
                core.settle(core.submit(Commit(appends)))

        def bound() -> None:
            descriptor = os.open(f"{directory}/bound", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            try:
                for start in range(0, BUNDLES, PER_COMMIT):
                    os.writev(descriptor, [bundle.encode(*three) for three in columns[start : start + PER_COMMIT]])
                    os.fdatasync(descriptor)
            finally:
                os.close(descriptor)

        rates = pair(lambda: rate(count, ours), lambda: rate(count, bound), repeats)
        core.stop()
    return [row("embedded produce, sync", rates, 0.7)]
