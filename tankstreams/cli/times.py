"""Times on the command line: ISO 8601 with a zone, milliseconds, or ``-1h`` for an hour ago."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from tankstreams.errors import UsageError

__all__ = ["iso", "parse_time"]

_AGO: Final = re.compile(r"-(\d+(?:\.\d+)?)(ms|s|m|h|d|w)\Z")
_UNIT_MS: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}


def parse_time(text: str, now_ms: int) -> int | None:
    """Return epoch milliseconds, or None when ``text`` is no time; `UsageError` for one without a zone."""
    ago = _AGO.match(text)
    if ago:
        return now_ms - int(float(ago[1]) * _UNIT_MS[ago[2]])
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    if time.tzinfo is None:
        raise UsageError(f"The time {text} has no zone: write {text}Z for UTC, or {text}-05:00.")
    return round(time.timestamp() * 1000)


def iso(timestamp_ms: int) -> str:
    """Return a time in UTC, to the millisecond; one that the calendar does not reach as its number."""
    try:
        time = datetime.fromtimestamp(timestamp_ms / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return str(timestamp_ms)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
