"""Accumulators: how each aggregation grows, is stored and is read.

An accumulator is immutable and built in (numbers, tuples, bytes), so that a discarded step leaves nothing behind and
results never alias what a user's function may change. Values from users that could change are held as bytes or as
private copies. Nones are skipped, as SQL and polars do; NaN and infinities are refused.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, Final

from tankstreams.runtime.failure import BadResult
from tankstreams.runtime.statecodec import NATIVE, keep, show
from tankstreams.topology.agg import Agg
from tankstreams.topology.nodes import UNKNOWN
from tankstreams.topology.serde import internal_codec
from tankstreams.topology.typeforms import optional

__all__ = ["Accumulator", "accumulator"]


def _nothing(value: Any) -> Any:
    return None


class Accumulator:
    """One aggregation at work.

    ``argument(value)`` is what the user's function picks of a record; ``add(accumulator, argument)`` returns the next
    accumulator (``start`` comes before the first); ``result(accumulator, key)`` is what the table shows.
    """

    start: Any = None

    def __init__(self, agg: Agg[Any, Any]) -> None:
        self.argument: Callable[[Any], Any] = agg.fn or _nothing

    def add(self, acc: Any, argument: Any) -> Any:
        raise NotImplementedError

    def result(self, acc: Any, key: Any) -> Any:
        return acc


class Count(Accumulator):
    start = 0

    def add(self, acc: Any, argument: Any) -> Any:
        return acc + 1


class Sum(Accumulator):
    start = 0

    def add(self, acc: Any, argument: Any) -> Any:
        return acc if argument is None else finite(acc + argument, "sum", argument)


class Mean(Accumulator):
    """Holds (sum, count): exact for whole numbers."""

    start = (0, 0)

    def add(self, acc: Any, argument: Any) -> Any:
        if argument is None:
            return acc
        total, count = acc
        return finite(total + argument, "mean", argument), count + 1

    def result(self, acc: Any, key: Any) -> Any:
        total, count = acc
        return total / count if count else None


def finite(total: Any, name: str, argument: Any) -> Any:
    """Return ``total``; raise if it is NaN or infinite: it would stay so for ever, and JSON cannot write it."""
    if total - total == 0:
        return total
    raise BadResult(f"{name} cannot add {argument!r}: numbers must be finite")


class Held:
    """Keeps values from users: bytes where their type is declared and no plain built-in, else as `keep` has them."""

    def __init__(self, declared: Any) -> None:
        declared = declared if declared is UNKNOWN else optional(declared)[0]
        self.keep: Callable[[Any], Any] = keep
        self.show: Callable[[Any], Any] = show
        if declared is not UNKNOWN and declared not in NATIVE:
            codec = internal_codec(declared, key=False)
            self.keep, self.show = codec.encode, codec.decode


class Extreme(Accumulator):
    """min and max: the first of equal values stays. Holds () or (value,)."""

    start = ()

    def __init__(self, agg: Agg[Any, Any]) -> None:
        super().__init__(agg)
        self._held = Held(agg.returns)
        self._kind = agg.kind
        self._beats = operator.lt if agg.kind == "min" else operator.gt

    def add(self, acc: Any, argument: Any) -> Any:
        if argument is None:
            return acc
        if argument != argument:
            raise BadResult(f"{self._kind} cannot compare {argument!r}")
        if acc and not self._beats(argument, self._held.show(acc[0])):
            return acc
        return (self._held.keep(argument),)

    def result(self, acc: Any, key: Any) -> Any:
        return self._held.show(acc[0]) if acc else None


class First(Accumulator):
    """Holds () or (value,)."""

    start = ()

    def __init__(self, agg: Agg[Any, Any]) -> None:
        super().__init__(agg)
        self._held = Held(agg.returns)

    def add(self, acc: Any, argument: Any) -> Any:
        return acc if acc or argument is None else (self._held.keep(argument),)

    def result(self, acc: Any, key: Any) -> Any:
        return self._held.show(acc[0]) if acc else None


class Last(First):
    def add(self, acc: Any, argument: Any) -> Any:
        return acc if argument is None else (self._held.keep(argument),)


class Collect(Accumulator):
    start = ()

    def __init__(self, agg: Agg[Any, Any]) -> None:
        super().__init__(agg)
        self._held = Held(item_of(agg.returns))

    def add(self, acc: Any, argument: Any) -> Any:
        return acc if argument is None else (*acc, self._held.keep(argument))

    def result(self, acc: Any, key: Any) -> Any:
        return [self._held.show(kept) for kept in acc]


class Top(Accumulator):
    """Holds up to n pairs (rank, value), the highest rank first; of equal ranks the earlier record stays ahead."""

    start = ()

    def __init__(self, agg: Agg[Any, Any]) -> None:
        super().__init__(agg)
        pick, by = agg.fn, agg.by
        assert pick is not None and by is not None
        self.argument = lambda value: (by(value), pick(value))
        self._held = Held(item_of(agg.returns))
        self._rank = Held(UNKNOWN)
        self._n = agg.n

    def add(self, acc: Any, argument: Any) -> Any:
        rank, value = argument
        if rank is None:
            return acc
        if rank != rank:
            raise BadResult(f"top cannot rank by {rank!r}")
        place = sum(1 for other, _ in acc if not rank > other)
        if place >= self._n:
            return acc
        kept = (self._rank.keep(rank), self._held.keep(value))
        return (*acc[:place], kept, *acc[place:])[: self._n]

    def result(self, acc: Any, key: Any) -> Any:
        return [self._held.show(kept) for _, kept in acc]


class Folded(Accumulator):
    """fold and reduce: what the user's function returned, encoded before the next record is looked at."""

    start = None

    def __init__(self, agg: Agg[Any, Any]) -> None:
        super().__init__(Agg("count"))
        assert agg.fn is not None
        self._fn = agg.fn
        self._init = agg.init
        self.codec = internal_codec(agg.returns, key=False)
        self.argument = _itself

    def add(self, acc: Any, argument: Any) -> Any:
        if acc is None:
            new = argument if self._init is None else self._fn(self._init(), argument)
        else:
            new = self._fn(self.codec.decode(acc), argument)
        if new is None:
            raise BadResult("the function returned None where the new accumulator was expected")
        return self.codec.encode(new)

    def result(self, acc: Any, key: Any) -> Any:
        return None if acc is None else self.codec.decode(acc)


def _itself(value: Any) -> Any:
    return value


class Key(Accumulator):
    """Copies the group's key into the result."""

    def add(self, acc: Any, argument: Any) -> Any:
        return None

    def result(self, acc: Any, key: Any) -> Any:
        return key


def item_of(declared: Any) -> Any:
    """Return the item type of ``list[U]``, `UNKNOWN` where it is not known."""
    arguments = getattr(declared, "__args__", ())
    return arguments[0] if declared is not UNKNOWN and arguments else UNKNOWN


_KINDS: Final[dict[str, type[Accumulator]]] = {
    "count": Count,
    "sum": Sum,
    "mean": Mean,
    "min": Extreme,
    "max": Extreme,
    "first": First,
    "last": Last,
    "collect": Collect,
    "top": Top,
    "fold": Folded,
    "reduce": Folded,
    "key": Key,
}


def accumulator(agg: Agg[Any, Any]) -> Accumulator:
    """Return ``agg`` at work."""
    return _KINDS[agg.kind](agg)
