"""Bundling: what a task's outputs hold, as the appends of a commit.

A store's changelog and the topic that its table goes to often hold the same columns: then one bundle serves both.
"""

from __future__ import annotations

from collections.abc import Iterable

from tankstreams.log import bundle
from tankstreams.log.commit import Append
from tankstreams.runtime.output import Output, PartitionColumns

__all__ = ["appends_of"]


def appends_of(outputs: Iterable[Output]) -> list[Append]:
    """Encode what the outputs of one task hold, in as many bundles as the limits ask for."""
    appends: list[Append] = []
    encoded: list[tuple[PartitionColumns, list[bytes]]] = []
    for output in outputs:
        for columns in output.partitioned():
            bundles = next((made for other, made in encoded if other.equals(columns)), None)
            if bundles is None:
                bundles = [
                    bundle.encode(keys, values, times, headers)
                    for keys, values, times, headers in bundle.split(
                        columns.keys, columns.values, columns.times, columns.headers, size_bytes=columns.size_bytes
                    )
                ]
                encoded.append((columns, bundles))
            appends.extend(Append(output.topic, columns.partition, data) for data in bundles)
    return appends
