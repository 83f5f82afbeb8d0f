"""Traffic of several tenants, placed by SIPp through a real OpenSIPS, and the script that it goes through."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from tests.integration.opensips_server import OpensipsServer, dbtext_table, fragment, installed, opensips
from tests.live.sipp import CALL_ID, Sipp, sipp_running

Wanted = Mapping[str, int]
"""How many, by tenant."""

_DATA: Final = Path(__file__).parents[1] / "data"
_ANSWERING: Final = "200"
_BUSY: Final = "486"
_SCRIPT: Final = """
loadmodule "sipmsgops.so"
loadmodule "registrar.so"
loadmodule "db_text.so"
loadmodule "event_datagram.so"
modparam("usrloc", "use_domain", 1)
modparam("load_balancer", "db_url", "text://{database}")
modparam("dispatcher", "db_url", "text://{database}")
{fragment}
route {{
    if (has_totag()) {{
        if (loose_route()) {{
            route(dialtone_in_dialog);
            t_relay();
        }} else if ($rm == "ACK") {{
            t_check_trans();
        }} else {{
            sl_send_reply(404, "Not Here");
        }}
        exit;
    }}
    if ($rm == "REGISTER") {{
        save("location");
        exit;
    }}
    if ($rm != "INVITE") {{
        exit;
    }}
    record_route();
    route(dialtone_call);
    if ($rU == "{busy}") {{
        ds_select_dst(1, 4);
    }} else {{
        lb_start(1, "channels");
    }}
    t_relay();
}}
"""


@dataclass(frozen=True, slots=True)
class Platform:
    """A server whose load balancer has phones that answer, and whose dispatcher some that are busy."""

    server: OpensipsServer
    answering: Sipp
    busy: Sipp
    folder: Path

    @property
    def front(self) -> str:
        return f"127.0.0.1:{self.server.ports.sip}"


@asynccontextmanager
async def platform(folder: Path, *, answered: int, busy: int) -> AsyncIterator[Platform]:
    """Run a server and phones for so many calls of each kind."""
    answers = sipp_running(folder, "answering", answered, "-sf", str(_DATA / "lab/phones.xml"))
    refuses = sipp_running(folder, "busy", busy, "-sf", str(_DATA / "sipp/busy.xml"))
    async with answers as one, refuses as other:
        with _server(folder, one.port, other.port) as server:
            yield Platform(server, one, other, folder)


@contextmanager
def _server(folder: Path, answering: int, busy: int) -> Iterator[OpensipsServer]:
    program, database = installed(), folder / "dbtext"
    tables = {
        "load_balancer": {"group_id": 1, "dst_uri": f"sip:127.0.0.1:{answering}", "resources": "channels=50"},
        "dispatcher": {"setid": 1, "destination": f"sip:127.0.0.1:{busy}", "weight": 1},
    }
    database.mkdir()
    (database / "version").write_bytes((program.schema / "version").read_bytes())
    for name, row in tables.items():
        (database / name).write_text(dbtext_table(program, name, [row]))
    values = {"database": database, "fragment": fragment(), "busy": _BUSY}
    with opensips(folder, _SCRIPT, values, program=program) as server:
        yield server


@asynccontextmanager
async def calls(stage: Platform, answered: Wanted, refused: Wanted) -> AsyncIterator[Sipp]:
    """Place calls, the answered ones first; those are held until `hang_up`, or the end."""
    held = _rows(answered, _ANSWERING)
    lines = [*held, *_rows(refused, _BUSY)]
    words = ("-cid_str", CALL_ID, "-r", "50")
    async with _placing(stage, "calls", lines, *words) as sipp:
        yield replace(sipp, calls=len(held))


async def register(stage: Platform, wanted: Wanted, *, expires: int) -> None:
    """Register so many phones of each tenant, or unregister them with 0; returns when all were taken."""
    lines = _rows(wanted, "")
    words = ("-key", "expires", str(expires), "-r", "50")
    async with _placing(stage, "registrations", lines, *words) as sipp:
        await sipp.passed()


@asynccontextmanager
async def _placing(stage: Platform, name: str, lines: list[str], *words: str) -> AsyncIterator[Sipp]:
    injected = stage.folder / f"{name}.csv"
    injected.write_text("\n".join(["SEQUENTIAL", *lines, ""]))
    scenario = ("-sf", str(_DATA / f"opensips/suite/{name}.xml"), "-inf", str(injected))
    async with sipp_running(stage.folder, name, len(lines), *scenario, *words, stage.front) as sipp:
        yield sipp


def _rows(wanted: Wanted, callee: str) -> list[str]:
    return [
        f"{100 + number};{tenant};{callee}" for tenant, count in wanted.items() for number in range(count)
    ]
