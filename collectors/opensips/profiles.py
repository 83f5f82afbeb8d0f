"""The dialog profiles of a server beside the tenants' one: what its script counts calls by."""

import re
from heapq import nsmallest
from typing import Final

from collectors.opensips.client import MiClient
from collectors.opensips.jsonrpc import MiRefused
from collectors.opensips.parse import parse_profile_values, parse_profiles
from collectors.opensips.statistics import LIST_AGAIN, PARTIAL
from dialtone.model import CollectError
from dialtone.ports import Clock

MOST_PROFILES: Final = 50
MOST_VALUES: Final = 200
"""Values of one profile that are told apart, those with the most calls; the rest is one sum."""
OTHER: Final = "_other"
_LOAD_BALANCERS: Final = "lbX"
"""What the names of the load balancer's own profiles begin with; lb_list has their figures."""
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_MAX_VALUE: Final = 256
_SHARE: Final = 0.5
"""The share of a poll's time after which no further profile is asked for."""


class Profiles:
    """Reads the profiles of one server. Raises CollectError as the client does.

    `limit` is seconds for a whole poll. `trouble` says what was left out of the last reading.
    """

    def __init__(self, client: MiClient, clock: Clock, tenants: str, limit: float) -> None:
        self.trouble = ""
        self._client = client
        self._clock = clock
        self._tenants = tenants
        self._limit = limit
        self._names: list[str] = []
        self._listed_at: float | None = None
        self._left_out = ""

    def forget(self) -> None:
        """Take the server for another one: it has been restarted, and may have other profiles."""
        self._listed_at = None

    async def read(self, began: float) -> dict[str, dict[str, int]]:
        """Return live dialogs by profile and value, of one without values under "".

        `began` is when the poll did: what would take it beyond half of its time is left out of this one.
        """
        now = self._clock.monotonic()
        if self._listed_at is None or now - self._listed_at >= LIST_AGAIN:
            await self._list()
            self._listed_at = now
        self.trouble = self._left_out
        found: dict[str, dict[str, int]] = {}
        for number, name in enumerate(list(self._names)):
            if self._clock.monotonic() - began > self._limit * _SHARE:
                self.trouble = f"{len(self._names) - number} profiles were left out: the server is slow"
                break
            values = await self._ask(name)
            if values is not None:
                found[name] = values
        return found

    async def _list(self) -> None:
        self._names, self._left_out = [], ""
        try:
            reply = await self._client.profiles()
            names = () if isinstance(reply, MiRefused) or reply is None else parse_profiles(reply)
        except CollectError as error:
            if error.failure not in PARTIAL:
                raise
            self._left_out = f"list_all_profiles: {error.detail}"
            return
        own = sorted(
            name
            for name in names
            if name != self._tenants and not name.startswith(_LOAD_BALANCERS) and _NAME.fullmatch(name)
        )
        self._names = own[:MOST_PROFILES]
        if len(own) > MOST_PROFILES:
            self._left_out = f"{len(own) - MOST_PROFILES} profiles over {MOST_PROFILES} are left out"

    async def _ask(self, name: str) -> dict[str, int] | None:
        """Return the values of a profile; one that can't be read is left out until the next list."""
        try:
            reply = await self._client.profile_values(name)
            if not isinstance(reply, MiRefused):
                return {} if reply is None else folded(parse_profile_values(reply))
            trouble = f"MI error {reply.code}: {reply.message}"
        except CollectError as error:
            if error.failure not in PARTIAL:
                raise
            trouble = error.detail
        self._names.remove(name)
        self._left_out = self.trouble = f"profile {name}: {trouble}"
        return None


def folded(values: dict[str, int]) -> dict[str, int]:
    """Return the MOST_VALUES greatest of the values, and the sum of the others as `_other`."""
    short = [value for value in values if len(value) <= _MAX_VALUE]
    if len(short) == len(values) <= MOST_VALUES:
        return values
    greatest = nsmallest(MOST_VALUES, short, key=lambda value: (-values[value], value))
    kept = {value: values[value] for value in greatest}
    rest = sum(values.values()) - sum(kept.values())
    kept[OTHER] = kept.get(OTHER, 0) + rest
    return kept
