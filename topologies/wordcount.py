"""Count the words of any text: ``python -m topologies.wordcount < book.txt``.

Or a step at a time: ``tankstreams produce lines book.txt --partitions 4``, then
``tankstreams run topologies.wordcount --create-topics --until-end``, then ``tankstreams consume counts --until-end``.
"""

from __future__ import annotations

import re
import sys

import tankstreams as ts

LINES = ts.Topic("lines", value=str)
COUNTS = ts.Topic("counts", key=str, value=int)

WORD = re.compile(r"\w+(?:['’]\w+)*")


def words(line: str) -> list[str]:
    """Return the words of a line in lower case; an apostrophe inside a word belongs to it."""
    return WORD.findall(line.lower())


topology = ts.Topology("wordcount")
topology.stream(LINES).flat_map(words).group_by(lambda word: word, key=str, name="by-word").count().to(COUNTS)


def main(log: str = "./tank-data", top: int = 20) -> None:
    """Add the text on stdin to the log, count it, and print the words counted most so far."""
    with ts.open_log_sync(log) as opened:
        if LINES.name not in {info.name for info in opened.topics()}:
            opened.create_topic(LINES.name, partitions=4)
        opened.produce(LINES, [line.rstrip("\n") for line in sys.stdin])
    ts.run(topology, log=log, until_end=True, create_topics=True)
    with ts.open_log_sync(log) as opened:
        counts: dict[bytes | None, int] = {}
        for _, records in opened.read(COUNTS):
            counts.update(zip(records.keys, COUNTS.value_codec.decode_column(records.values), strict=True))
    for word, count in sorted(counts.items(), key=lambda entry: (-entry[1], entry[0] or b""))[:top]:
        print(f"{count:>8,}  {(word or b'').decode()}")


if __name__ == "__main__":
    main()
