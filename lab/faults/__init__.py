"""Faults produced on purpose before the lab's real servers, and the table of what probes make of them."""
