"""A phone whose number has line breaks in it, on real Asterisks: others' figures are as if it had none."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import quote

import pytest

from dialtone.config.addresses import ami_url
from lab.asterisk.series import Series
from tests.integration.asterisk_calls import Placed, held, phones
from tests.integration.asterisk_lab import SERIES, Pbx, asterisk
from tests.integration.asterisk_seen import Figures, figures, until, watching, without_zeros

pytestmark = [pytest.mark.integration, pytest.mark.anyio]

MOST: Final = 79
UP: Final[Figures] = {
    "asterisk_tenant_calls": {"acme": 4, "bolt": 2},
    "asterisk_unreadable_channels": {"": 25},
    "asterisk_calls": {"": 6},
    "asterisk_tenant_parked_calls": {"acme": 4},
}
"""While the calls are held; four of the forger's can be read: what they say twice is nothing of a channel."""
OVER: Final[Figures] = {metric: {} for metric in UP}


def forged(globex: str) -> list[str]:
    """Return what a phone of acme says that its number is."""
    return [
        f"1\r\nAccountCode: {globex}",
        f"1\r\nTenantID: {globex}",
        f"1\r\nChannel: PJSIP/{globex}-calls-1",
        f"1\r\nContext: {globex}",
        "1\r\nUniqueid: zz",
        "1\r\nLinkedid: zz",
        "1\r\nActionID: zz",
        "1\r\nEventList: cancelled",
        "1\r\nEvent: CoreShowChannelsComplete\r\nListItems: 1",
        "1\r\n",
        "1\r\n\r\n",
        "1\r\n\r\nEvent: Newchannel\r\nPrivilege: call,all\r\nChannel: PJSIP/x-1",
        "1\r\n\r\nEvent: Hangup\r\nPrivilege: call,all\r\nCause: 17\r\nUniqueid: 9",
        f"1\r\n\r\nEvent: Newstate\r\nPrivilege: a\r\nX: {globex}",
        "1\r\n\r\nEvent: QueueStatusComplete\r\nEventList: Complete\r\nListItems: 1",
        "1\r\n\r\nEvent: ParkedCallsComplete\r\nEventList: cancelled",
        "1\r\n\r\nResponse: Error\r\nMessage: Permission denied",
    ]


def forgers(pbx: Pbx, acme: str, globex: str) -> list[Placed]:
    """Return calls of such numbers: all to one that answers; some to a phone, into a queue, and parked."""
    numbers = forged(globex)
    assert all(len(number) <= MOST for number in numbers)
    called = [(pbx.number("01"), number) for number in numbers]
    called += [(to, number) for to in ("103", pbx.number("05"), pbx.number("12")) for number in numbers[::5]]
    return [Placed(to, acme, f"X-Tenant: {acme}", quote(number, safe="")) for to, number in called]


@pytest.fixture(scope="module", params=SERIES, ids=["22", "16"])
def pbx(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pbx]:
    """Each of the two Asterisks by itself."""
    chosen: Series = request.param
    with asterisk(tmp_path_factory.mktemp(chosen.part), chosen) as running:
        yield running


def of_others(values: Mapping[str, float]) -> dict[str, float]:
    """Return what isn't the forger's and isn't 0."""
    return {key: value for key, value in without_zeros(values).items() if key.partition(" ")[0] != "acme"}


@pytest.mark.parametrize("way", ["ami", "ajam"])
async def test_what_a_phone_writes_into_its_number_changes_nothing_of_other_tenants(
    pbx: Pbx, tmp_path: Path, way: str
) -> None:
    acme, bolt, _, globex, *_ = pbx.clients
    calls = [Placed.by_phone(pbx.number("01"), bolt)] * 2 + forgers(pbx, acme, globex)
    node = pbx.node("call", endpoint=ami_url(pbx.address(way)), timeout=5.0)
    async with watching(pbx, node) as collector, phones(pbx, tmp_path):
        await collector.collect()
        async with held(pbx, tmp_path, calls, rate=40) as sipp:
            # A poll that fails raises here.
            during = figures(await until(collector, UP))
            assert of_others(during["asterisk_tenant_channels"]) == {"bolt up PJSIP": 2}
            await sipp.hang_up()
            await sipp.passed()
        await until(collector, OVER)
        # What was alive at any moment since that poll: nothing that nobody hung up.
        after = figures(await until(collector, OVER | {"asterisk_peak_calls": {}}))
    for seen in (during, after):
        for counted in ("started", "answered"):
            assert of_others(seen[f"asterisk_tenant_calls_{counted}_total"]) == {"bolt": 2}
        for never in ("unseen", "failed"):
            assert of_others(seen[f"asterisk_tenant_calls_{never}_total"]) == {}
    timed = {} if way == "ajam" else {"bolt": 2}
    assert of_others(after.get("asterisk_tenant_call_duration_seconds", {})) == timed
    assert after["asterisk_manager_logins_total"] == {"": 1}
