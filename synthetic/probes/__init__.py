"""One module a flow: what it does, what it measures, when it fails."""
