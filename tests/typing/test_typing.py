"""The public surface is typed: right programs pass, wrong ones give the message that names the mistake."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import pytest
from mypy import api

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


@pytest.fixture(scope="module")
def messages() -> dict[tuple[str, int], list[str]]:
    """What mypy says, by file and line: one run over all programs."""
    programs = [str(HERE / "right_programs.py"), str(HERE / "wrong_programs.py")]
    out, error, _ = api.run(
        ["--strict", "--config-file", str(ROOT / "pyproject.toml"), "--explicit-package-bases", *programs]
    )
    assert not error
    said: dict[tuple[str, int], list[str]] = defaultdict(list)
    for line in out.splitlines():
        match = re.match(r"(?:.*/)?(\w+)\.py:(\d+): (?:error|note): (.*)", line)
        if match:
            said[match[1], int(match[2])].append(match[3])
    return said


def marked(name: str, mark: str) -> dict[int, str]:
    """Return the comments that begin with a mark, by line."""
    lines = (HERE / f"{name}.py").read_text().splitlines()
    return {
        number: line.split(mark, 1)[1].strip() for number, line in enumerate(lines, 1) if mark in line and number > 1
    }


def plain(revealed: str) -> str:
    """Return a revealed type without module names of this package and of typing."""
    return re.sub(r"tankstreams\.[\w.]*\.|builtins\.|typing\.|tests\.typing\.", "", revealed)


def test_right_programs_pass_and_reveal_their_types(messages: dict[tuple[str, int], list[str]]) -> None:
    """No error in the right programs, and every reveal_type says what its comment says."""
    expected = marked("right_programs", "# R:")
    found = {line: said for (name, line), said in messages.items() if name == "right_programs"}
    assert set(found) == set(expected), found
    for line, said in found.items():
        assert plain(said[0]) == f'Revealed type is "{expected[line]}"', line


def test_wrong_programs_get_the_message_that_helps(messages: dict[tuple[str, int], list[str]]) -> None:
    """Each marked line gives an error with its words, and no other line gives any."""
    expected = marked("wrong_programs", "# E:")
    found = {line: said for (name, line), said in messages.items() if name == "wrong_programs"}
    for line, words in expected.items():
        assert any(words in message for message in found.get(line, [])), (line, words, found.get(line))
    assert set(found) == set(expected), {line: said for line, said in found.items() if line not in expected}
