"""What media costs and what it does to the rest: CPU a stream, the timings beside it, a soak, captures.

Run by hand: `python -m benchmarks.media streams|timing|soak|captures`; what they do and found:
benchmarks/README.md.
"""
