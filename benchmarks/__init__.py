"""Benchmarks: ratios in one run on one machine; `sh scripts/bench`."""
