"""An aggregation: how an accumulator starts, grows and is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Literal

from typing_extensions import TypeVar

from tankstreams.topology.nodes import UNKNOWN

__all__ = ["Agg", "AggKind"]

Vn = TypeVar("Vn", contravariant=True)
Rc = TypeVar("Rc", covariant=True)

AggKind = Literal["count", "sum", "mean", "min", "max", "first", "last", "collect", "top", "fold", "reduce", "key"]


@dataclass(frozen=True, slots=True)
class Agg(Generic[Vn, Rc]):
    """An aggregation from values of type V to a result of type R; frozen data that the runtime compiles.

    ``fn`` picks what is aggregated (fold: ``add``; reduce: the reducer). ``init`` is fold's. ``n`` and ``by`` are
    top's. ``merge`` and ``subtract`` are fold's. ``returns`` is the result's type, `UNKNOWN` where nobody said.
    """

    kind: AggKind
    fn: Callable[..., Any] | None = None
    init: Callable[[], Any] | None = None
    n: int = 0
    by: Callable[[Any], Any] | None = None
    merge: Callable[[Any, Any], Any] | None = None
    subtract: Callable[[Any, Any], Any] | None = None
    returns: Any = UNKNOWN
