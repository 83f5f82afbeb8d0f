"""What the AMI client sees of any Asterisk: run against the fake, and against the real one."""

import pytest

from collectors.asterisk.client import AmiClient
from collectors.asterisk.parse import parse_channels, parse_offset, parse_startup, parse_version
from dialtone.model import CollectError, CollectFailure, Secret
from tests.unit.asterisk.asking import channels, settings, status, zone_offset


class AmiContract:
    """Tests of an idle server; a subclass has fixtures `endpoint`, `secret`, `powerless` (user, secret)."""

    async def test_an_idle_server_has_no_channels(self, endpoint: str, secret: str) -> None:
        client = AmiClient(endpoint, "dialtone", Secret(secret), deadline=2.0)
        assert parse_channels(await channels(client)) == ()
        await client.aclose()

    async def test_it_says_what_it_is_and_since_when(self, endpoint: str, secret: str) -> None:
        client = AmiClient(endpoint, "dialtone", Secret(secret), deadline=2.0)
        assert parse_version(await settings(client)).startswith("22.")
        assert parse_startup(await status(client)) is not None
        assert parse_offset(await zone_offset(client, 1_700_000_000)) is not None
        assert client.connections == 1
        await client.aclose()

    @pytest.mark.parametrize(("user", "wrong"), [("dialtone", "wrong"), ("nobody", "")])
    async def test_a_wrong_password_and_an_unknown_user_are_refused(
        self, endpoint: str, secret: str, user: str, wrong: str
    ) -> None:
        client = AmiClient(endpoint, user, Secret(wrong or secret), deadline=2.0)
        with pytest.raises(CollectError) as caught:
            await channels(client)
        assert caught.value.failure is CollectFailure.AUTH
        assert secret not in str(caught.value)

    async def test_a_user_without_the_right_is_denied(
        self, endpoint: str, powerless: tuple[str, str]
    ) -> None:
        user, secret = powerless
        client = AmiClient(endpoint, user, Secret(secret), deadline=2.0)
        with pytest.raises(CollectError) as caught:
            await status(client)
        assert caught.value.failure is CollectFailure.DENIED
        assert "write = reporting" in caught.value.detail
        await client.aclose()

    async def test_what_a_user_may_send_is_told_line_by_line(
        self, endpoint: str, secret: str, powerless: tuple[str, str]
    ) -> None:
        for (user, password), may in ((("dialtone", secret), True), (powerless, False)):
            client = AmiClient(endpoint, user, Secret(password), deadline=2.0)
            told = dict(await client.lines("ListCommands"))
            assert "Ping" in told
            assert ("CoreShowChannels" in told) is may
            await client.aclose()
