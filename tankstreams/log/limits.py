"""Named limits on everything that can grow, each with its unit."""

from __future__ import annotations

from typing import Final

__all__ = [
    "BUNDLE_RECORDS_MAX",
    "BUNDLE_TARGET_BYTES",
    "BUNDLE_UNPACKED_BYTES_MAX",
    "COMMIT_BYTES_MAX",
    "INT64_MAX",
    "INT64_MIN",
    "RECORD_BYTES_MAX",
    "RECORD_HEADERS_MAX",
]

BUNDLE_RECORDS_MAX: Final = 65_536
"""Records in one bundle."""

BUNDLE_UNPACKED_BYTES_MAX: Final = 16 << 20
"""Bytes of a bundle's payload before compression: what a reader must be ready to allocate."""

RECORD_BYTES_MAX: Final = BUNDLE_UNPACKED_BYTES_MAX - (1 << 20)
"""Bytes of the key and value of a record that the runtime writes: with its headers it fits in a bundle of its own."""

RECORD_HEADERS_MAX: Final = 1024
"""Headers of one record: with the records of a bundle, the longest array that a reader makes room for."""

BUNDLE_TARGET_BYTES: Final = 2 << 20
"""Key and value bytes at which columns are cut into several bundles: big enough for lz4, small enough to seek."""

COMMIT_BYTES_MAX: Final = 1 << 30
"""Bytes of all bundles of one commit: it must fit in memory and in one group of the journal."""

INT64_MAX: Final = (1 << 63) - 1
INT64_MIN: Final = -(1 << 63)
"""Timestamps and offsets are signed 64-bit integers."""
