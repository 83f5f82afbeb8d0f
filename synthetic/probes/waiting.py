"""Waiting for what must come: in time, unless something else comes first, and with the cause told apart."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

import anyio

from dialtone.model import FailureCode
from dialtone.runtime.deadline import within
from synthetic.probes.base import FlowError, Run

PROOF: Final = 2.0
"""How long what one side saw may take to show at the other, in seconds."""

T = TypeVar("T")


async def soon(
    run: Run, wait: Callable[[], Awaitable[T]], otherwise: Callable[[], FlowError], limit: float = PROOF
) -> T:
    """Return what is waited for. Raises `otherwise`, its detail with the time added, when it takes longer."""
    try:
        return await within(run.clock, limit, wait)
    except TimeoutError:
        late = otherwise()
        raise FlowError(late.code, f"{late.detail} within {limit:g} s", late.status) from None


async def unless(
    error: Callable[[], FlowError],
    work: Callable[[], Awaitable[T]],
    *happens: Callable[[], Awaitable[object]],
) -> T:
    """Return what the work returns. Raises the error when any of the other things happens first."""

    async def watch(happens: Callable[[], Awaitable[object]]) -> None:
        await happens()
        raise error()

    with first_cause():
        async with anyio.create_task_group() as group:
            for one in happens:
                group.start_soon(watch, one)
            result = await work()
            group.cancel_scope.cancel()
    return result


@contextmanager
def first_cause() -> Iterator[None]:
    """Raise the first error of a task group by itself: it is the cause, what it tore down follows."""
    try:
        yield
    except BaseExceptionGroup as errors:
        cause: BaseException = errors
        while isinstance(cause, BaseExceptionGroup):
            cause = cause.exceptions[0]
        raise cause from None


async def first_of(*waits: Callable[[], Awaitable[object]]) -> None:
    """Wait for whichever of them comes first."""

    async def wait_for(wait: Callable[[], Awaitable[object]]) -> None:
        await wait()
        group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        for wait in waits:
            group.start_soon(wait_for, wait)


async def held(run: Run, *endings: Callable[[], Awaitable[object]]) -> None:
    """Stay on the line for as long as the plan says. Raises FlowError when a side is hung up on meanwhile."""
    with run.step("hold"):
        await unless(dropped, lambda: run.clock.sleep(run.plan.hold), *endings)


def dropped() -> FlowError:
    """Return what it is when the platform hangs up too early."""
    return FlowError(FailureCode.UNEXPECTED_MESSAGE, "the platform ended the call that had been answered")
