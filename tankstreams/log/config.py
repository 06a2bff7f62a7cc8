"""Topic configuration: Kafka's names, readable sizes and durations, everything checked.

``docs/reference/topic-configuration.md`` says what each key does, and which are stored and not acted upon yet.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from tankstreams.errors import ConfigError
from tankstreams.log.limits import BUNDLE_UNPACKED_BYTES_MAX

__all__ = ["ConfigValue", "PartitionSettings", "check_config", "partition_settings"]

ConfigValue: TypeAlias = str | int | float

_SIZES: Final = {"": 1, "b": 1, "kb": 1000, "mb": 1000**2, "gb": 1000**3, "tb": 1000**4}
_SIZES_BINARY: Final = {"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40}
_DURATIONS: Final = {"": 1, "ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_NUMBER: Final = re.compile(r"\s*(-?\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*\Z")


@dataclass(frozen=True, slots=True)
class _Key:
    """One key: ``kind`` is bytes, ms, count, ratio or policy; ``-1`` stands for no limit where ``unlimited``."""

    kind: str
    default: ConfigValue
    low: float = 0
    high: float = float("inf")
    unlimited: bool = False


_KEYS: Final[dict[str, _Key]] = {
    "segment_bytes": _Key("bytes", 256 << 20, 4096, 1 << 40),
    "index_interval_bytes": _Key("bytes", 64 << 10, 128, 1 << 30),
    "max_record_bytes": _Key("bytes", BUNDLE_UNPACKED_BYTES_MAX, 1024, 1 << 30),
    "retention_ms": _Key("ms", -1, unlimited=True),
    "retention_bytes": _Key("bytes", -1, unlimited=True),
    "retention_segments": _Key("count", -1, 2, unlimited=True),
    "segment_ms": _Key("ms", 604_800_000, 1),
    "cleanup_policy": _Key("policy", "delete"),
    "min_cleanable_ratio": _Key("ratio", 0.5, 0, 1),
    "delete_retention_ms": _Key("ms", 86_400_000),
    "min_compaction_lag_ms": _Key("ms", 0),
}


@dataclass(frozen=True, slots=True)
class PartitionSettings:
    """What the files of a partition need to know, in bytes."""

    segment_bytes: int = 256 << 20
    index_interval_bytes: int = 64 << 10


def check_config(config: Mapping[str, ConfigValue]) -> dict[str, ConfigValue]:
    """Return the configuration in plain units (bytes, milliseconds); raises `ConfigError` for a key or value."""
    checked: dict[str, ConfigValue] = {}
    for name, value in config.items():
        key = _KEYS.get(name)
        if key is None:
            near = difflib.get_close_matches(name.replace(".", "_"), _KEYS, 1)
            hint = f"did you mean {near[0]}?" if near else f"the keys are {', '.join(sorted(_KEYS))}."
            raise ConfigError(f"A topic has no configuration {name!r}: {hint}", key=name, value=value)
        checked[name] = _check(name, key, value)
    return checked


def partition_settings(config: Mapping[str, ConfigValue]) -> PartitionSettings:
    """Return the settings of a partition's files; keys that ``config`` leaves out have their defaults."""
    return PartitionSettings(
        int(config.get("segment_bytes", _KEYS["segment_bytes"].default)),
        int(config.get("index_interval_bytes", _KEYS["index_interval_bytes"].default)),
    )


def _check(name: str, key: _Key, value: ConfigValue) -> ConfigValue:
    if key.kind == "policy":
        policies = str(value).replace(" ", "").split(",")
        if not set(policies) <= {"delete", "compact"} or len(set(policies)) != len(policies):
            raise ConfigError(f"{name} is delete, compact or compact,delete, not {value!r}.", key=name, value=value)
        return ",".join(sorted(policies))
    number = _number(name, key, value)
    if not abs(number) < 1 << 62:
        raise ConfigError(f"{name} is below 2 to the power of 62, not {value!r}.", key=name, value=value)
    if key.unlimited and number == -1:
        return -1
    if not key.low <= number <= key.high:
        upper = "" if key.high == float("inf") else f" to {key.high:g}"
        raise ConfigError(f"{name} is {key.low:g}{upper or ' or more'}, not {value!r}.", key=name, value=value)
    return number if key.kind == "ratio" else int(number)


def _number(name: str, key: _Key, value: ConfigValue) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    match = _NUMBER.match(str(value))
    unit = match[2] if match else ""
    scale: int | None = 1 if not unit else None
    if key.kind == "bytes":
        scale = _SIZES_BINARY.get(unit.lower(), _SIZES.get(unit.lower()))
    elif key.kind == "ms":
        scale = _DURATIONS.get(unit.lower())
    if match is None or scale is None:
        example = {"bytes": "1GiB", "ms": "7d"}.get(key.kind, "10")
        raise ConfigError(f"{name} takes a value such as {example}, not {value!r}.", key=name, value=value)
    return float(match[1]) * scale
