"""The sippy engine: the worker process, and the link to it."""
