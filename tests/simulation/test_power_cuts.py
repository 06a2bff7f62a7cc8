"""A log that loses power at random moments, thousands of times."""

from __future__ import annotations

from functools import partial

import pytest

from tankstreams.log.settings import Durability
from tests.simulation.mistakes import SyncForgotten
from tests.simulation.world import World

SEEDS = 1_000
SEEDS_SLOW = 2_000


def run_seed(seed: int, *, lives: int = 4, steps: int = 25, durability: Durability = "sync") -> World:
    """Run one seed; whatever fails names it."""
    try:
        world = World(seed, durability=durability)
        world.run(lives, steps)
    except BaseException as error:
        error.add_note(f"repeat it with: World({seed}, durability={durability!r}).run({lives}, {steps})")
        raise
    return world


def test_f06_to_f12_power_cuts_lose_nothing_acknowledged() -> None:
    """A thousand seeds of work, full and failing disks, torn writes, and cuts also in recovery and in checkpoints."""
    worlds = [run_seed(seed) for seed in range(SEEDS)]
    assert sum(world.crashes for world in worlds) > SEEDS
    assert sum(world.crashes_in_recovery for world in worlds) > SEEDS / 2


@pytest.mark.parametrize("durability", ["interval", "os"])
def test_f06_the_other_durabilities_lose_the_end_and_no_more(durability: Durability) -> None:
    """What is left is a beginning of what was sent, and the log starts by itself."""
    for seed in range(SEEDS // 5):
        run_seed(seed, durability=durability)


@pytest.mark.slow
def test_long_lives_lose_nothing_acknowledged() -> None:
    """Longer runs, in which topics come and go and segments roll many times."""
    for seed in range(SEEDS, SEEDS + SEEDS_SLOW):
        run_seed(seed, lives=6, steps=80)


@pytest.mark.parametrize("ending", [".journal", ".log", "checkpoint.new", "/"])
def test_a_forgotten_sync_is_found(ending: str) -> None:
    """The simulation finds a log that acknowledges before its sync, and every other sync that is left out."""
    forget = partial(SyncForgotten, ending=ending)

    def survives(seed: int) -> bool:
        try:
            World(seed, wrap=forget).run(4, 25)
        except Exception:  # whichever check it is that finds the mistake
            return False
        return True

    assert not all(survives(seed) for seed in range(20))
