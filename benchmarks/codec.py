"""Bundles of 4,096 records of 100 bytes, encoded and decoded, beside bare msgpack + lz4 + CRC over the same columns."""

from __future__ import annotations

from typing import Any

import lz4.block
import msgpack
from crc32c import crc32c

from benchmarks.measure import pair, payloads, rate, row
from tankstreams.log import bundle

RECORDS = 4096
BUNDLES = 64


def run(repeats: int) -> list[dict[str, Any]]:
    """Measure both directions."""
    keys, values, times = payloads(RECORDS * BUNDLES)
    columns = [
        (keys[start : start + RECORDS], values[start : start + RECORDS], times[start : start + RECORDS])
        for start in range(0, RECORDS * BUNDLES, RECORDS)
    ]
    pack = msgpack.Packer(use_bin_type=True, autoreset=True).pack

    def bare_encode() -> list[tuple[bytes, int, int]]:
        out = []
        for keys, values, times in columns:
            packed = pack([times, keys, values])
            payload = lz4.block.compress(packed, mode="fast", acceleration=bundle.LZ4_ACCELERATION, store_size=False)
            out.append((payload, len(packed), crc32c(payload)))
        return out

    encoded = [bundle.encode(*three) for three in columns]
    bare = bare_encode()

    def bare_decode() -> None:
        for payload, size, checksum in bare:
            assert crc32c(payload) == checksum
            msgpack.unpackb(lz4.block.decompress(payload, uncompressed_size=size))

    count = RECORDS * BUNDLES
    return [
        row(
            "bundle encode",
            pair(
                lambda: rate(count, lambda: [bundle.encode(*three) for three in columns]),
                lambda: rate(count, bare_encode),
                repeats,
            ),
            0.9,
        ),
        row(
            "bundle decode",
            pair(
                lambda: rate(count, lambda: [bundle.decode(data) and None for data in encoded]),
                lambda: rate(count, bare_decode),
                repeats,
            ),
            0.9,
        ),
    ]
