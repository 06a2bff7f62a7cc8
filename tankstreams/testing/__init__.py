"""tankstreams."""
