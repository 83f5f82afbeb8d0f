"""Whose a channel, a queue, a mailbox is; pure."""

from collections.abc import Iterable

from collectors.asterisk.parse import Channel
from dialtone.model import UNKNOWN_TENANT
from dialtone.ports import TenantLookup


class Whose:
    """Says whose something of an Asterisk is, by the tenants as they are when it is asked."""

    def __init__(self, tenants: TenantLookup) -> None:
        self._tenants = tenants

    def channel(self, channel: Channel) -> str:
        """Return the tenant's domain that the channel itself tells of; "" where it tells of none."""
        for code in (channel.account_code, channel.tenant_id):
            if code and (tenant := self._tenants.by_account_code(code)):
                return tenant.domain
        return ""

    def name(self, name: str) -> str:
        """Return the domain that the name of a queue, conference, endpoint ... stands for, "" for none."""
        tenant = self._tenants.by_account_code(name)
        return tenant.domain if tenant else ""

    def channels(self, channels: Iterable[Channel]) -> dict[str, str]:
        """Return the domain of each channel by its Uniqueid, `_unknown` for those of nobody.

        A leg that tells of no tenant itself is that of the leg that its call began with (whose Uniqueid is
        the call's Linkedid), or of the first other leg of its call that tells of one.
        """
        legs = list(channels)
        own = {leg.unique_id: self.channel(leg) for leg in legs}
        linked: dict[str, str] = {}
        for leg in legs:
            if domain := own[leg.unique_id]:
                linked.setdefault(leg.linked_id, domain)
        for leg in legs:
            if leg.unique_id == leg.linked_id and own[leg.unique_id]:
                linked[leg.linked_id] = own[leg.unique_id]
        return {
            leg.unique_id: own[leg.unique_id] or linked.get(leg.linked_id, UNKNOWN_TENANT) for leg in legs
        }
