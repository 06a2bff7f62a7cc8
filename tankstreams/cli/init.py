"""``tankstreams init``: a small working topology to start from."""

from __future__ import annotations

import os
import shlex
from typing import Annotated

import typer

from tankstreams.errors import UsageError

__all__ = ["init_command"]

TEMPLATE = '''"""Orders, counted and summed per customer. Change it into yours."""

from dataclasses import dataclass

import tankstreams as ts


@dataclass
class Order:
    customer: str
    item: str
    price: float


@dataclass
class Spent:
    customer: str
    orders: int
    total: float


topology = ts.Topology("{name}")

(
    topology.stream("orders", value=Order)
    .filter(lambda order: order.price > 0)
    .group_by(lambda order: order.customer, name="by-customer")
    .aggregate(Spent, customer=ts.key(), orders=ts.count(), total=ts.sum(lambda order: order.price))
    .to("spent")
)

if __name__ == "__main__":
    ts.run(topology)
'''

NEXT = """Wrote {path}. Try it:

  tankstreams describe {quoted}
  echo '{{"customer": "ann", "item": "tea", "price": 3.5}}' | tankstreams produce orders --format json --partitions 4
  tankstreams run {quoted} --create-topics --until-end
  tankstreams consume spent --until-end"""


def init_command(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="Where to write it; never over an existing file.")
    ] = "app.py",
    name: Annotated[
        str | None, typer.Option("--name", help="The topology's name; by default the file's, without .py.")
    ] = None,
) -> None:
    """Write a small working topology to start from, and say how to run it.

    Example: [bold]tankstreams init orders.py[/bold]
    """
    from tankstreams.log.topic import check_topic_name

    if not file.endswith(".py"):
        raise UsageError(f"{file} is not a Python file: its name must end in .py, such as {file}.py.")
    stem = os.path.splitext(os.path.basename(file))[0]
    chosen = check_topic_name(name or stem)
    try:
        with open(file, "x", encoding="utf-8") as out:
            out.write(TEMPLATE.replace("{name}", chosen))
    except FileExistsError:
        raise UsageError(f"{file} exists already: name another file, nothing was written.") from None
    except OSError as error:
        raise UsageError(f"{file} cannot be written ({error.strerror}): name another place.") from error
    print(NEXT.format(path=file, quoted=shlex.quote(file)))
