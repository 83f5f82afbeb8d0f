"""Who lists domains (a server, a database), asked again and again: when an answer is believed."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import anyio
import structlog

from dialtone.model import CollectError, CollectFailure, DomainsFound
from dialtone.ports import Clock, TenantSource
from dialtone.runtime.deadline import within

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """A source under its name, which is a label value; `every` and `timeout` are seconds."""

    name: str
    source: TenantSource
    every: float
    timeout: float


@dataclass(slots=True)
class Source:
    """A source as known now: what it listed last, and whether its last answer was taken (None: not asked)."""

    asked: Asked
    listed: frozenset[str] = field(default_factory=frozenset)
    said_nothing: bool = False
    success: bool | None = None


S = TypeVar("S", bound=Source)


@dataclass(frozen=True, slots=True)
class Words:
    """What the log says: under which key the source's name stands, that it fails, that it is back."""

    key: str
    fails: str
    back: str


class Asking(ABC, Generic[S]):
    """Asks sources by their names; what becomes of an answer is `_take`'s, of whoever inherits this.

    A source that fails has its last answer stand. So has one that lists nothing after it had names, until it
    says so twice in a row: a table that is being loaded anew is empty for a moment.
    """

    def __init__(self, sources: Mapping[str, S], clock: Clock, words: Words) -> None:
        self._sources = sources
        self._clock = clock
        self._words = words

    @abstractmethod
    async def _take(self, source: S, found: DomainsFound) -> None:
        """Take what a source lists. Raises CollectError to refuse it."""

    @property
    def sources(self) -> tuple[Asked, ...]:
        """What is asked."""
        return tuple(one.asked for one in self._sources.values())

    async def run(self, name: str) -> CollectError | None:
        """Ask one source; return why its answer was not taken, None where it was."""
        source = self._sources[name]
        said_nothing, source.said_nothing = source.said_nothing, False
        trouble: CollectError | None = None
        try:
            found = await within(self._clock, source.asked.timeout, source.asked.source.domains)
            if not found.domains and source.listed and not said_nothing:
                source.said_nothing = True
                detail = (
                    f"lists no domain any more, after {len(source.listed):,}: believed when it says so again"
                )
                raise CollectError(CollectFailure.SERVER, detail)
            await self._take(source, found)
        except CollectError as error:
            trouble = error
        except TimeoutError:
            detail = f"no answer within {source.asked.timeout:g} s"
            trouble = CollectError(CollectFailure.TIMEOUT, detail)
        except Exception as error:  # noqa: BLE001 - the edge of one source; logged here, the last answer stands
            if source.success is not False:
                _log.exception("asking for tenants failed by a mistake of ours", **{self._words.key: name})
            trouble = CollectError(CollectFailure.INTERNAL, f"{type(error).__name__} in our asking")
        self._conclude(source, trouble)
        return trouble

    async def run_all(self) -> dict[str, CollectError | None]:
        """Ask all sources at the same time; return what became of each, by name."""
        ended: dict[str, CollectError | None] = {}

        async def run(name: str) -> None:
            ended[name] = await self.run(name)

        async with anyio.create_task_group() as asking:
            for name in self._sources:
                asking.start_soon(run, name)
        return ended

    def _conclude(self, source: S, trouble: CollectError | None) -> None:
        about, before = {self._words.key: source.asked.name}, source.success
        source.success = trouble is None
        if trouble is None:
            if before is False:
                _log.info(self._words.back, **about)
        elif before is not False:
            _log.warning(self._words.fails, **about, failure=trouble.failure, detail=trouble.detail)
