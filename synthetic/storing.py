"""The store as the probes ask it: a disk that hangs costs them one wait, not one each."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from dialtone.ports import Clock, StoreError
from dialtone.runtime.deadline import within

T = TypeVar("T")

PATIENCE: Final = 10.0
"""Seconds that the store has for one job."""
REST: Final = 20.0
"""Seconds for which a store that did not answer is asked nothing; then one job finds out for all."""


class PatientStore:
    """Gives the store's jobs a deadline, and none to a store that lately let one pass."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._hangs = False
        self._ask_again = clock.monotonic()

    def hope(self) -> None:
        """Have the next job asked, whatever was before: it may be the last one."""
        self._hangs = False

    async def ask(self, job: Callable[[], Awaitable[T]]) -> T:
        """Return what the job returns. Raises StoreError, also where the store does not answer in time."""
        now = self._clock.monotonic()
        if self._hangs:
            if now < self._ask_again:
                raise StoreError("the store does not answer")
            self._ask_again = now + PATIENCE + REST
        try:
            done = await within(self._clock, PATIENCE, job)
        except TimeoutError:
            self._hangs, self._ask_again = True, self._clock.monotonic() + REST
            raise StoreError(f"not done within {PATIENCE:g} s") from None
        except StoreError:
            self._hangs = False
            raise
        self._hangs = False
        return done
