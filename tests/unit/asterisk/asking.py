"""What a poll asks, in one word each."""

from collections.abc import Sequence

from collectors.asterisk.manager import Manager
from collectors.asterisk.wire import Block


async def settings(manager: Manager) -> Block:
    """Return CoreSettings."""
    return await manager.ask("CoreSettings")


async def status(manager: Manager) -> Block:
    """Return CoreStatus."""
    return await manager.ask("CoreStatus")


async def channels(manager: Manager) -> Sequence[Block]:
    """Return CoreShowChannels."""
    return await manager.list("CoreShowChannels", "CoreShowChannelsComplete")


async def zone_offset(manager: Manager, instant: int) -> str:
    """Return the server's distance from UTC at that Unix time, like "-0500"."""
    return (await manager.ask("Getvar", {"Variable": f"STRFTIME({instant:d},,%z)"})).get("Value", "")
