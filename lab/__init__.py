"""Real servers on loopback, for the demo and for the tests; never a part of the service."""
