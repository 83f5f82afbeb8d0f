"""Topologies: what several servers together say of replication (pure), and the sink that asks it."""
