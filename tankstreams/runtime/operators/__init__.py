"""Operators: what runs for each node of a topology, over columns and one record at a time."""
