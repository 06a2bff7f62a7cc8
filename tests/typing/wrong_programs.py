"""Mistakes that must be type errors: ``# E:`` is a part of the message that the checker must give on that line."""

from __future__ import annotations

from dataclasses import dataclass

import tankstreams as ts


@dataclass
class F:
    o: str
    d: float | None


@dataclass
class P:
    m: str


t = ts.Topology("bad")
s = t.stream("f", key=str, value=F)
p = t.table("p", key=str, value=P)
pi = t.table("pi", key=int, value=P)
s.map(lambda f: f.nope)  # E: "F" has no attribute "nope"
s.map(lambda k, f: f.nope, with_key=True)  # E: "F" has no attribute "nope"
s.map(lambda kv: kv[0], with_key=True)  # E: expected "Callable[[str, F], Any]"
s.map(lambda k, f: f.o)  # E: expected "Callable[[F], Any]"
s.filter(lambda f: f.nope)  # E: "F" has no attribute "nope"
s.left_join(p, lambda f, x: x.m)  # E: Item "None" of "P | None" has no attribute "m"
s.join(p, lambda f, x: x.nope)  # E: "P" has no attribute "nope"
s.join(pi, lambda f, x: x.m)  # E: incompatible type "Table[int, P]"; expected "Table[str, P]"
s.join(p, lambda f, x: x.m)
s.group_by(lambda f: f.o).aggregate(a=ts.mean(lambda f: f.o))  # E: expected "Callable[[F], float | None]"
s.group_by(lambda f: f.o).aggregate(a=ts.mean(lambda f: f.nope))  # E: "F" has no attribute "nope"
s.to(ts.Topic("x", key=str, value=P))  # E: incompatible type "TypeForm[P]"; expected "TypeForm[F]"
s.flat_map(lambda f: f.o.split()).map(lambda w: w.nope)  # E: "str" has no attribute "nope"
s.to("x", value=str)  # E: incompatible type "TypeForm[str]"; expected "TypeForm[F]"
s.to_table().to_stream().map(lambda f: f.o)  # E: Item "None" of "F | None" has no attribute "o"
s.group_by(lambda f: f.o).sum(lambda f: f.o)  # E: Value of type variable "N" of "sum" of "Grouped" cannot be "str"
s.filter(lambda k, f: k == 1, with_key=True).map(lambda f: f.d + 1)  # E: Unsupported operand types
t.stream("f", value=F, timestamp=lambda f: f.o)  # E: expected "datetime | int"
s.on_error = "skip"  # E: "Stream[str, F]" has no attribute "on_error"
ts.Topology("x", on_error="ignore")  # E: incompatible type "Literal['ignore']"
