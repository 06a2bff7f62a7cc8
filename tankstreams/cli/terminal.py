"""What is printed: a table for a person at a terminal, plain lines for a program in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

__all__ = ["counted", "is_terminal", "print_json", "print_table", "say"]


def is_terminal(stream: TextIO | None = None) -> bool:
    """Whether ``stream`` (stdout by default) is a terminal."""
    return (sys.stdout if stream is None else stream).isatty()


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: 1 record, 2,000 records."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def say(text: str) -> None:
    """Tell a person something, on stderr: stdout is for data."""
    print(text, file=sys.stderr, flush=True)


def print_json(data: Any) -> None:
    """Print one JSON document on one line."""
    import msgspec

    print(msgspec.json.encode(data).decode())


def print_table(rows: Sequence[Mapping[str, Any]], *, columns: Sequence[str]) -> None:
    """Print rows as a table on a terminal, else as lines of tab-separated values without a heading."""
    if not is_terminal():
        for row in rows:
            print("\t".join(_text(row[column]) for column in columns))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for column in columns:
        numeric = any(isinstance(row[column], int | float) for row in rows)
        table.add_column(column.replace("_", " "), justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*(_pretty(row[column]) for column in columns))
    Console().print(table)


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ",".join(f"{key}={item}" for key, item in value.items())
    return "" if value is None else str(value)


def _pretty(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else _text(value)
