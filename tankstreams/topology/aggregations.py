"""The aggregations: ``ts.count()``, ``ts.sum(fn)`` and the others, for ``aggregate``.

Nones are skipped, as SQL and polars do: a sum of nothing is 0, the mean, min, max, first and last of nothing None.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

from typing_extensions import TypeVar

from tankstreams.errors import TopologyError
from tankstreams.topology.agg import Agg
from tankstreams.topology.graph import caller
from tankstreams.topology.nodes import UNKNOWN
from tankstreams.topology.returns import return_type
from tankstreams.topology.typeforms import optional

__all__ = ["collect", "count", "first", "fold", "key", "last", "max", "mean", "min", "sum", "top"]

V = TypeVar("V")
U = TypeVar("U")
A = TypeVar("A")
N = TypeVar("N", int, float)


def _returned(fn: Callable[..., Any]) -> Any:
    declared = return_type(fn)
    return UNKNOWN if declared is UNKNOWN else optional(declared)[0]


def _list_of(item: Any) -> Any:
    return UNKNOWN if item is UNKNOWN else types.GenericAlias(list, (item,))


def count() -> Agg[Any, int]:
    """Count records."""
    return Agg("count", returns=int)


def sum(fn: Callable[[V], N | None]) -> Agg[V, N]:
    """Add up what ``fn`` gives. NaN and infinities are refused."""
    return Agg("sum", fn, returns=_returned(fn))


def mean(fn: Callable[[V], float | None]) -> Agg[V, float | None]:
    """Sum divided by count of what ``fn`` gives; exact sums for whole numbers. None of nothing."""
    return Agg("mean", fn, returns=float | None)


def min(fn: Callable[[V], U]) -> Agg[V, U]:
    """Keep the smallest of what ``fn`` gives; the first of equal ones."""
    return Agg("min", fn, returns=_returned(fn))


def max(fn: Callable[[V], U]) -> Agg[V, U]:
    """Keep the largest of what ``fn`` gives; the first of equal ones."""
    return Agg("max", fn, returns=_returned(fn))


def first(fn: Callable[[V], U]) -> Agg[V, U]:
    """Keep what ``fn`` gives of the first record."""
    return Agg("first", fn, returns=_returned(fn))


def last(fn: Callable[[V], U]) -> Agg[V, U]:
    """Keep what ``fn`` gives of the last record."""
    return Agg("last", fn, returns=_returned(fn))


def collect(fn: Callable[[V], U]) -> Agg[V, list[U]]:
    """Keep all that ``fn`` gives, in order."""
    item = _returned(fn)
    return Agg("collect", fn, returns=_list_of(item))


def top(n: int, fn: Callable[[V], U], *, by: Callable[[V], Any]) -> Agg[V, list[U]]:
    """Keep what ``fn`` gives of the ``n`` records with the highest ``by``, highest first; of equal ones the earlier."""
    if type(n) is not int or n < 1:
        raise TopologyError(f"top keeps 1 record or more, not {n!r}.", where=str(caller()))
    item = _returned(fn)
    return Agg("top", fn, n=n, by=by, returns=_list_of(item))


def fold(
    init: Callable[[], A],
    add: Callable[[A, V], A],
    *,
    merge: Callable[[A, A], A] | None = None,
    subtract: Callable[[A, V], A] | None = None,
) -> Agg[V, A]:
    """Fold records with functions of your own: ``init()`` starts, ``add(accumulator, value)`` gives the next.

    ``merge`` (two accumulators into one) is for sessions and ``subtract`` for tables.
    """
    returns = return_type(add)
    if returns is UNKNOWN and not isinstance(init, type):
        returns = return_type(init)
    return Agg("fold", add, init=init, merge=merge, subtract=subtract, returns=returns)


def key() -> Agg[Any, Any]:
    """Copy the group's key into the result."""
    return Agg("key")
