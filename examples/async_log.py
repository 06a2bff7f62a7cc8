"""The log in an asynchronous program: one task follows a topic while another writes to it."""

import asyncio

import tankstreams as ts


async def follow(log: ts.AsyncLog, count: int) -> None:
    """Print the first ``count`` records as they come; the reader wakes when something is written."""
    seen = 0
    async for (_, partition), records in log.read("ticks", until_end=False):
        for offset, value in zip(records.offsets, records.values, strict=True):
            print(f"partition {partition}, offset {offset}: {value!r}")
        seen += len(records)
        if seen >= count:
            return


async def main() -> None:
    async with ts.open_log("./tank-data") as log:
        if "ticks" not in {topic.name for topic in await log.topics()}:
            await log.create_topic("ticks", partitions=2)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(follow(log, 5))
            for number in range(5):
                await log.produce("ticks", [f"tick {number}"], keys=[str(number)])


if __name__ == "__main__":
    asyncio.run(main())
