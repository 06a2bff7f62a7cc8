"""Times that users give: aware datetimes or epoch milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

__all__ = ["Time", "to_ms"]

Time: TypeAlias = datetime | int
"""An aware datetime or epoch milliseconds; a naive datetime is refused."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND: Final = timedelta(milliseconds=1)
INT64_MAX: Final = (1 << 63) - 1


def to_ms(when: object) -> int:
    """Return epoch milliseconds; raises ValueError for a naive datetime and TypeError for anything else."""
    if type(when) is int:
        if -INT64_MAX <= when <= INT64_MAX:
            return when
        raise ValueError(f"the timestamp {when} is outside 64 bits of milliseconds")
    if isinstance(when, datetime):
        if when.tzinfo is None:
            raise ValueError(f"the timestamp {when.isoformat()} has no time zone: use an aware datetime")
        return (when - EPOCH) // MILLISECOND
    raise TypeError(f"a timestamp is an aware datetime or epoch milliseconds, not {type(when).__name__}")
