"""Four probes a minute of each of 1,000 tenants: are they placed when they are due, and what does it cost?"""
