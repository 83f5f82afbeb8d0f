"""An engine with the real rules; and a receiver's way from the outbox, on a store that may fail."""

import pytest

from alerts.engine import AlertEngine
from tests.fakes.alerts import rules
from tests.fakes.clock import FakeClock
from tests.fakes.delivery_line import DeliveryLine
from tests.fakes.notifier import RecordingNotifier
from tests.fakes.troubled_store import TroubledStore


@pytest.fixture
def engine() -> AlertEngine:
    """Return an engine with the real rules."""
    return AlertEngine(rules())


@pytest.fixture
def store() -> TroubledStore:
    """Return a store that is well until a test says otherwise."""
    return TroubledStore()


@pytest.fixture
def hook() -> RecordingNotifier:
    """Return a receiver that takes everything until a test says otherwise."""
    return RecordingNotifier()


@pytest.fixture
def line(store: TroubledStore, hook: RecordingNotifier, clock: FakeClock) -> DeliveryLine:
    """Return the way to that receiver."""
    return DeliveryLine(store, hook, clock)
