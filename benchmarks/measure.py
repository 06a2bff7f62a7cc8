"""Measuring in pairs: ours and the bound in turn, so that a machine that drifts drifts for both."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

__all__ = ["pair", "payloads", "row"]

RECORD_BYTES = 100


def payloads(count: int, keys: int = 10_000) -> tuple[list[bytes], list[bytes], list[int]]:
    """Return keys, 100-byte JSON values and times of ``count`` records; no two values are equal."""
    base = 1_700_000_000_000
    names = [b"user-%05d" % (number * 7919 % keys) for number in range(count)]
    values = []
    for number, name in enumerate(names):
        start = b'{"id":%d,"user":"%s","amount":%d,"note":"' % (number, name, number * 104_729 % 1_000_000)
        values.append(start.ljust(RECORD_BYTES - 2, b"abcdefghij"[number % 10 : number % 10 + 1]) + b'"}')
    times = [base + number * 3 + number % 3 for number in range(count)]
    return names, values, times


def pair(ours: Callable[[], float], bound: Callable[[], float], repeats: int) -> tuple[list[float], list[float]]:
    """Return what each measured (a rate: higher is better) over ``repeats`` turns, after one that does not count."""
    ours(), bound()
    mine: list[float] = []
    theirs: list[float] = []
    for turn in range(repeats):
        for measured, call in ((mine, ours), (theirs, bound)) if turn % 2 else ((theirs, bound), (mine, ours)):
            measured.append(call())
    return mine, theirs


def row(name: str, rates: tuple[list[float], list[float]], goal: float, unit: str = "records/s") -> dict[str, Any]:
    """Return a row of the report: medians, the median of the ratios pair by pair, and their spread."""
    mine, theirs = rates
    ratios = [one / other for one, other in zip(mine, theirs, strict=True)]
    return {
        "name": name,
        "value": statistics.median(mine),
        "unit": unit,
        "bound": statistics.median(theirs),
        "ratio": statistics.median(ratios),
        "ratio_min": min(ratios),
        "ratio_max": max(ratios),
        "goal": goal,
    }


def rate(count: int, call: Callable[[], object]) -> float:
    """Return records a second of one call."""
    start = time.perf_counter()
    call()
    return count / (time.perf_counter() - start)
