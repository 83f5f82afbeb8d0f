"""What the sippy engine's probes say and cost: their timings against packet stamps, and their CPU.

Run by hand: `python -m benchmarks.probes timing` and `... cpu`; what they do and found: benchmarks/README.md.
"""
