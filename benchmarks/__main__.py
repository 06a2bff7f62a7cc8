"""Run the benchmarks: every module beside this one that has ``run(repeats) -> list of rows``.

A row is ``{name, value, unit, bound, ratio, goal}``: what was measured, and what the same machine did in the same run
with the least that any program must do. A ratio is always better when higher; ``goal`` is what it should reach.
"""

from __future__ import annotations

import argparse
import importlib
import json
import pkgutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from rich import box
from rich.console import Console
from rich.table import Table

import benchmarks

Row: TypeAlias = dict[str, Any]
Run: TypeAlias = Callable[[int], list[Row]]


def modules() -> dict[str, Run]:
    """Return the benchmarks by the name of their module."""
    found: dict[str, Run] = {}
    for info in pkgutil.iter_modules(benchmarks.__path__):
        if info.name != "__main__":
            run = getattr(importlib.import_module(f"benchmarks.{info.name}"), "run", None)
            if run is not None:
                found[info.name] = run
    return found


def show(rows: Sequence[Row]) -> Table:
    """Return the rows as a table; a ratio below its goal is marked."""
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("benchmark")
    for heading in ("value", "bound", "unit", "ratio", "goal"):
        table.add_column(heading, justify="left" if heading == "unit" else "right")
    for row in rows:
        ratio, goal = row["ratio"], row["goal"]
        colour = "default" if ratio is None or goal is None else "green" if ratio >= goal else "red"
        table.add_row(
            row["name"],
            _number(row["value"]),
            _number(row["bound"]),
            row["unit"],
            f"[{colour}]{_number(ratio)}[/{colour}]",
            _number(goal),
        )
    return table


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write; returns the exit code."""
    known = modules()
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description="Measure, as ratios to what this machine can do."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"what to run: {', '.join(known)} (default: all)")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the rows to a file")
    parser.add_argument("--repeats", metavar="N", type=int, default=5, help="take the best of N (default: 5)")
    given = parser.parse_args(arguments)
    unknown = [name for name in given.names if name not in known]
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]}: there are {', '.join(known)}")
    rows: list[Row] = []
    for name in given.names or known:
        print(f"measuring {name} …", file=sys.stderr, flush=True)
        rows.extend(known[name](given.repeats))
    Console().print(show(rows))
    if given.json is not None:
        given.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
