"""What tests are made with: a disk that forgets and corrupts, a clock under the test's hand."""

from __future__ import annotations

from tankstreams.testing.clock import ManualClock
from tankstreams.testing.disk import PowerCut, SimulatedDisk

__all__ = ["ManualClock", "PowerCut", "SimulatedDisk"]
