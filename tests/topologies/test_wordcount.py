"""The word count, from stdin to a table of words."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from topologies.wordcount import words

ROOT = Path(__file__).resolve().parent.parent.parent


def count(text: str, directory: Path) -> dict[str, int]:
    """Pipe a text through ``python -m topologies.wordcount`` and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "topologies.wordcount"],
        cwd=directory,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"},
        input=text,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return {line.split()[1]: int(line.split()[0]) for line in done.stdout.splitlines()}


def test_words_of_any_text_are_counted(tmp_path: Path) -> None:
    """The words most used in the licence, and twice as many after a second time."""
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    truth = Counter(word for line in text.splitlines() for word in words(line))
    for times in (1, 2):
        found = count(text, tmp_path)
        assert len(found) == 20
        assert found == {word: times * truth[word] for word in found}
        assert min(found.values()) >= times * sorted(truth.values(), reverse=True)[19]


def test_a_word_is_what_a_reader_takes_for_one() -> None:
    """Lower case, any script, apostrophes inside words."""
    assert words("Don't stop, ÉTÉ! 42 — '日本'") == ["don't", "stop", "été", "42", "日本"]
