"""The settings of a topology as they are when it runs: its keywords, overridden by ``TANKSTREAMS_*`` variables."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from tankstreams.errors import ConfigError
from tankstreams.topology.topology import Settings

if TYPE_CHECKING:
    from tankstreams.topology.topology import Topology

__all__ = ["configured", "variable_of"]


def variable_of(setting: str) -> str:
    """Return the environment variable that overrides a setting."""
    return f"TANKSTREAMS_{setting.upper()}"


def configured(topology: Topology, environment: Mapping[str, str] | None = None) -> Topology:
    """Return the topology with what the environment (default: the process's) says of its settings.

    Raises `ConfigError` for a value that a setting does not take. Variables that name no setting are left alone:
    others read theirs from the same prefix.
    """
    variables = os.environ if environment is None else environment
    settings = topology.settings
    for field in dataclasses.fields(Settings):
        variable = variable_of(field.name)
        if variable in variables:
            try:
                settings = settings.override({field.name: variables[variable]})
            except ConfigError as error:
                raise ConfigError(f"{variable}: {error}", key=error.key, value=error.value) from error
    return topology if settings == topology.settings else topology.with_settings(settings)
