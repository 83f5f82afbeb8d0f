"""What every test has: one async backend and a clock that only moves when told."""

import pytest

from tests.fakes.clock import FakeClock


@pytest.fixture
def anyio_backend() -> str:
    """Run async tests on asyncio, the backend of the service."""
    return "asyncio"


@pytest.fixture
def clock() -> FakeClock:
    """Return a clock at 2026-03-01 12:00:00 UTC."""
    return FakeClock()
