"""Keep what cannot be processed: bad records go to a topic of their own, with the reason in their headers."""

import tankstreams as ts

topology = ts.Topology("inverse", on_error=ts.DeadLetter("prices-dead"))
topology.stream("prices", value=float).map(lambda price: 100 / price, returns=float).to("inverse-prices")

if __name__ == "__main__":
    with ts.open_log_sync("./tank-data") as log:
        if "prices" not in {topic.name for topic in log.topics()}:
            log.create_topic("prices", partitions=1)
        log.produce("prices", ["4.0", "0.0", "cheap", "8.0"])
    ts.run(topology, create_topics=True, until_end=True)
    with ts.open_log_sync("./tank-data") as log:
        for _, records in log.read("inverse-prices"):
            print("good:", *(value.decode() for value in records.values if value is not None))
        for _, records in log.read("prices-dead"):
            for value, headers in zip(records.values, records.headers or [], strict=True):
                print("dead:", value, {name: text.decode().splitlines()[-1:] for name, text in headers})
