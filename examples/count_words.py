"""The smallest topology: lines in, counts of words out."""

import tankstreams as ts

topology = ts.Topology("count-words")
words = topology.stream("lines", value=str).flat_map(str.split)
words.group_by(str.lower, key=str, name="by-word").count().to("counts")

if __name__ == "__main__":
    with ts.open_log_sync("./tank-data") as log:
        if "lines" not in {topic.name for topic in log.topics()}:
            log.create_topic("lines", partitions=2)
        log.produce("lines", ["to be or not to be", "that is the question"])
    ts.run(topology, create_topics=True, until_end=True)
    with ts.open_log_sync("./tank-data") as log:
        for _, records in log.read("counts"):
            for key, value in zip(records.keys, records.values, strict=True):
                print((key or b"").decode(), (value or b"").decode())
