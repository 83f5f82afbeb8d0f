"""What every test has: one async backend and a clock that only moves when told."""

import pytest
from hypothesis import HealthCheck, settings

from tests.fakes.clock import FakeClock

# How long an example takes to make or to run says how busy the machine is, and nothing about the code.
settings.register_profile("dialtone", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("dialtone")


@pytest.fixture
def anyio_backend() -> str:
    """Run async tests on asyncio, the backend of the service."""
    return "asyncio"


@pytest.fixture
def clock() -> FakeClock:
    """Return a clock at 2026-03-01 12:00:00 UTC."""
    return FakeClock()
