"""Drawing a topology as text: `tree` for people, `mermaid` and `dot` for pictures, `json` for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tankstreams.errors import ConfigError
from tankstreams.topology.describe.dot import to_dot
from tankstreams.topology.describe.drawing import Drawing
from tankstreams.topology.describe.json import to_json
from tankstreams.topology.describe.mermaid import to_mermaid
from tankstreams.topology.describe.tree import to_tree

if TYPE_CHECKING:
    from tankstreams.topology.topology import Topology

__all__ = ["describe"]

_FORMATS = {"tree": to_tree, "mermaid": to_mermaid, "dot": to_dot, "json": to_json}


def describe(topology: Topology, format: str) -> str:
    """Return the topology drawn; raises `TopologyError` when it is not whole, `ConfigError` for an unknown format."""
    if format not in _FORMATS:
        raise ConfigError(f"The format is {', '.join(_FORMATS)}, not {format!r}.", key="format", value=format)
    topology.check()
    return _FORMATS[format](Drawing.of(topology))
