"""Topic configuration: readable values become plain units, mistakes are said with the nearest right name."""

from __future__ import annotations

import pytest

from tankstreams.errors import ConfigError
from tankstreams.log.config import ConfigValue, check_config, partition_settings


@pytest.mark.parametrize(
    ("key", "given", "checked"),
    [
        ("segment_bytes", "1GiB", 1 << 30),
        ("segment_bytes", "64 kB", 64_000),
        ("segment_bytes", 5000, 5000),
        ("index_interval_bytes", "4096", 4096),
        ("retention_ms", "7d", 604_800_000),
        ("retention_ms", "250ms", 250),
        ("retention_ms", "1.5h", 5_400_000),
        ("retention_ms", -1, -1),
        ("retention_bytes", "-1", -1),
        ("cleanup_policy", "delete, compact", "compact,delete"),
        ("min_cleanable_ratio", "0.25", 0.25),
    ],
)
def test_readable_values_become_plain_units(key: str, given: ConfigValue, checked: ConfigValue) -> None:
    """Bytes, milliseconds, and names in order."""
    assert check_config({key: given}) == {key: checked}


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"retenton_ms": 5}, "did you mean retention_ms?"),
        ({"retention.ms": 5}, "did you mean retention_ms?"),
        ({"zzz": 5}, "the keys are cleanup_policy, "),
        ({"segment_bytes": "12 parsecs"}, "takes a value such as 1GiB"),
        ({"segment_bytes": "lots"}, "takes a value such as 1GiB"),
        ({"retention_ms": "5 apples"}, "takes a value such as 7d"),
        ({"segment_bytes": 10}, "segment_bytes is 4096 to"),
        ({"retention_ms": float("inf")}, "below 2 to the power of 62"),
        ({"retention_bytes": "9" * 400}, "below 2 to the power of 62"),
        ({"retention_ms": -5}, "retention_ms is 0 or more"),
        ({"retention_segments": 1}, "retention_segments is 2 or more"),
        ({"cleanup_policy": "shred"}, "delete, compact or compact,delete"),
        ({"cleanup_policy": "compact,compact"}, "delete, compact or compact,delete"),
        ({"segment_bytes": True}, "takes a value such as 1GiB"),
    ],
)
def test_a_bad_key_or_value_is_refused(config: dict[str, ConfigValue], words: str) -> None:
    """One sentence; the key and the value are attributes."""
    with pytest.raises(ConfigError, match=words.replace("?", r"\?")) as raised:
        check_config(config)
    assert raised.value.key in config


def test_what_is_not_given_has_its_default() -> None:
    """A partition's files need two numbers."""
    assert partition_settings({}).segment_bytes == 256 << 20
    assert partition_settings({"segment_bytes": 8192, "cleanup_policy": "compact"}).segment_bytes == 8192
