"""SRD, RRD and SDD as the sippy engine reports them, against packet stamps of the same probes.

Run by hand: `python -m benchmarks.probes`; what it does and what it found: benchmarks/README.md.
"""
