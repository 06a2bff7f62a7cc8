"""Print what `topologies.flights` has found: ``python -m topologies.flights_report``."""

from __future__ import annotations

from typing import Annotated

import typer

import tankstreams as ts
from tankstreams.errors import TankstreamsError
from topologies.flights import PER_AIRLINE, PER_AIRPORT, PER_MANUFACTURER, Delays

__all__ = ["latest"]


def latest(log: ts.SyncLog, topic: ts.Topic[str, Delays]) -> dict[str, Delays]:
    """Return the last result of every key: the topic holds every change, in order."""
    newest: dict[bytes | None, bytes | None] = {}
    for _, records in log.read(topic):
        newest.update(zip(records.keys, records.values, strict=True))
    keys = topic.key_codec.decode_column(list(newest))
    return dict(zip(keys, topic.value_codec.decode_column(list(newest.values())), strict=True))


def main(
    log: Annotated[str, typer.Option(envvar="TANKSTREAMS_LOG", help="The log's directory.")] = "./tank-data",
    rows: Annotated[int, typer.Option(help="Show so many of each, those with the most departures.")] = 10,
) -> None:
    """Print the delays per airport, airline and manufacturer."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console()
    with ts.open_log_sync(log) as opened:
        for title, topic in (
            ("airport", PER_AIRPORT),
            ("airline", PER_AIRLINE),
            ("manufacturer", PER_MANUFACTURER),
        ):
            results = sorted(latest(opened, topic).values(), key=lambda result: -result.departures)
            table = Table(title=f"Departure delays per {title}", box=box.SIMPLE_HEAD, title_justify="left")
            table.add_column(title)
            for heading in ("departures", "mean (min)", "worst (min)"):
                table.add_column(heading, justify="right")
            for result in results[:rows]:
                table.add_row(result.name, f"{result.departures:,}", f"{result.mean:.1f}", f"{result.worst:,}")
            console.print(table)
            if len(results) > rows:
                console.print(f"  and {len(results) - rows} more\n")


if __name__ == "__main__":
    try:
        typer.run(main)
    except TankstreamsError as error:
        raise SystemExit(f"Error: {error}") from None
