"""Ready topologies: each module can be run, described, and read as an example."""
