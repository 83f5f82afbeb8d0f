"""The MI commands that the bridge answers, each from Kamailio's live figures."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from lab.front.envelope import METHOD_NOT_FOUND, MiError, Request, arguments, text, texts
from lab.front.rpc import Kamailio, RpcError
from lab.front.statistics import GROUPS, PROCESSES, TIMESTAMP, Statistic, chosen, translated

SPOKEN: Final = "3.6.8-lab-bridge"
"""The version whose MI is spoken, and that it isn't that version."""


@dataclass(frozen=True, slots=True)
class Commands:
    """MI of one Kamailio. `profile` is its only dialog profile, `values` all that it is ever set to.

    Kamailio can't list a profile's values (dlg.list could, in replies that outgrow a datagram), but
    the front puts calls of the lab's own tenants into the profile and no others.
    """

    kamailio: Kamailio
    profile: str
    values: Sequence[str]

    async def answer(self, request: Request) -> object:
        """Return a command's result. Raises MiError, or RpcError when Kamailio does not answer."""
        command = _TABLE.get(request.method)
        if command is None:
            raise MiError(*METHOD_NOT_FOUND)
        return await command.run(self, arguments(request, command.recipes))

    async def get_statistics(self, given: Mapping[str, object]) -> object:
        """Values by group:name."""
        wanted = texts(given, "statistics")
        figures = await self._figures()
        return {statistic.full_name: figures[statistic] for statistic in chosen(figures, wanted)}

    async def list_statistics(self, given: Mapping[str, object]) -> object:
        """Types by group:name."""
        wanted = texts(given, "statistics") if given else ["all"]
        return {s.full_name: s.type for s in chosen(await self._figures(), wanted)}

    async def list_all_profiles(self, given: Mapping[str, object]) -> object:
        """The profiles, and whether they have values."""
        del given
        return {"Profiles": [{"name": self.profile, "has value": True}]}

    async def profile_get_values(self, given: Mapping[str, object]) -> object:
        """Calls by value; a value without calls is left out."""
        self._check_profile(given)
        counts = {value: await self._count(value) for value in self.values}
        return [{"value": value, "count": count} for value, count in counts.items() if count]

    async def profile_get_size(self, given: Mapping[str, object]) -> object:
        """Calls of one value, or of all."""
        self._check_profile(given)
        value = text(given, "value") if "value" in given else None
        counted = self.values if value is None else [v for v in self.values if v == value]
        count = sum([await self._count(v) for v in counted])
        told = {"name": self.profile, "value": value, "count": count, "shared": "no", "replicated": "no"}
        return {"Profile": told}

    async def uptime(self, given: Mapping[str, object]) -> object:
        """Now, since when and how long."""
        del given
        told = _members(await self.kamailio.call("core.uptime"))
        return {
            "Now": told.get("now"),
            "Up since": told.get("up_since"),
            "Up time": f"{told.get('uptime')} [sec]",
        }

    async def version(self, given: Mapping[str, object]) -> object:
        """What runs here, in OpenSIPS's words but without a lie."""
        del given
        return {"Server": f"OpenSIPS ({SPOKEN} over {str(await self.kamailio.call('core.version')).strip()})"}

    async def ps(self, given: Mapping[str, object]) -> object:
        """The processes of Kamailio, in its own order."""
        del given
        processes = await self._processes()
        return {
            "Processes": [
                {"ID": number, "PID": pid, "Type": kind} for number, (pid, kind) in enumerate(processes)
            ]
        }

    async def which(self, given: Mapping[str, object]) -> object:
        """The commands."""
        del given
        return list(_TABLE)

    def _check_profile(self, given: Mapping[str, object]) -> None:
        if text(given, "profile") != self.profile:
            raise MiError(404, "Profile not found")

    async def _count(self, value: str) -> int:
        return _number(await self.kamailio.call("dlg.profile_get_size", self.profile, value))

    async def _figures(self) -> dict[Statistic, int]:
        told = _members(await self.kamailio.call("stats.fetchn", *GROUPS))
        figures = {name: _number(value) for name, value in told.items()}
        figures[TIMESTAMP] = _number(_members(await self.kamailio.call("core.uptime")).get("uptime"))
        figures[PROCESSES] = len(await self._processes())
        return translated(figures)

    async def _processes(self) -> list[tuple[int, str]]:
        """core.ps gives one flat list: pid, description, pid, description ..."""
        told = await self.kamailio.call("core.ps")
        flat = told if isinstance(told, list) else []
        return [(_number(pid), str(kind)) for pid, kind in zip(flat[::2], flat[1::2], strict=True)]


def _members(told: object) -> Mapping[str, object]:
    if not isinstance(told, dict):
        raise RpcError("Kamailio's answer has another shape than expected")
    return told


def _number(told: object) -> int:
    if isinstance(told, bool) or not isinstance(told, int):
        raise RpcError("Kamailio's answer holds no number where one is expected")
    return told


@dataclass(frozen=True, slots=True)
class _Command:
    run: Callable[[Commands, Mapping[str, object]], Awaitable[object]]
    recipes: Sequence[Sequence[str]] = ((),)


_TABLE: Final[Mapping[str, _Command]] = {
    "get_statistics": _Command(Commands.get_statistics, (("statistics",),)),
    "list_statistics": _Command(Commands.list_statistics, ((), ("statistics",))),
    "uptime": _Command(Commands.uptime),
    "version": _Command(Commands.version),
    "which": _Command(Commands.which),
    "ps": _Command(Commands.ps),
    "profile_get_size": _Command(Commands.profile_get_size, (("profile",), ("profile", "value"))),
    "profile_get_values": _Command(Commands.profile_get_values, (("profile",),)),
    "list_all_profiles": _Command(Commands.list_all_profiles),
}
