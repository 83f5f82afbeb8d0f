"""Calls followed by events, and set right by each snapshot; pure.

A call is all channels of one Linkedid without Asterisk's internal ones, which are followed only as far as
they tell whose it is, and keep it from ending too early. It begins once, is answered at most once, and
ends in exactly one of four ways:

- answered, however late that was learnt; with a duration, from the first leg that was Up to the end of the
  last leg, where both were seen;
- failed: never Up, by the Q.850 cause of the leg that it began with, else of its last leg;
- joined: its legs went over to another call's Linkedid (attended transfer, pickup, unparking). That is no
  failure, and no duration, because nothing says when it was: what came of it is told by the other;
- unseen: its end was missed, for the connection was down or the login hears no such events, and nothing had
  told of an answer before.

A call is counted for one tenant, which never changes: whose it is when it is answered, when it ends, or when
the first list comes that has it. Not before, for the first lines of a dialplan may give it another account
code. So what of a tenant's started calls is not answered, failed or unseen is alive and unanswered, or was
joined before it was answered.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Final

from collectors.asterisk.causes import cause_word
from collectors.asterisk.ledger import METRICS, Ledger
from collectors.asterisk.legs import Call, Leg
from collectors.asterisk.parse import MAX_ID, MAX_NAME, Channel, is_event, parse_channel
from collectors.asterisk.unheard import HANGUP, NEWCHANNEL, SETTLED, Unheard
from collectors.asterisk.whose import Whose
from collectors.asterisk.wire import Block
from dialtone.model import UNKNOWN_TENANT, Sample, Spread
from dialtone.ports import TenantLookup

__all__ = ["EVENTS", "MAX_CHANNELS", "METRICS", "Tracker"]

EVENTS: Final = frozenset({NEWCHANNEL, "NewAccountCode", "Newstate", "BridgeEnter", HANGUP})
"""What is heard of."""

MAX_CHANNELS: Final = 50_000
"""Channels that are followed; new ones past that are not, until others have ended."""

_UP: Final = "6"
_RINGING: Final = "5"
_STEPS: Final = 3
"""Linkedids before its last one that a channel is kept from going back to."""
_GONE: Final = ""
"""The tenant of a call of which nothing further is counted: its tenant has gone, or it had ended before."""


class Tracker:
    """Follows one node's calls. Times are monotonic seconds; nothing here raises for what a server says.

    `timed` is whether events come as they happen: else there are no histograms of durations and ring times.
    """

    def __init__(self, whose: Whose, timed: bool = True) -> None:
        self.full = False
        """Whether channels are not followed, because there are more than MAX_CHANNELS."""
        self._whose = whose
        self._ledger = Ledger(timed)
        self._legs: dict[str, Leg] = {}
        self._calls: dict[str, Call] = {}
        # Uniqueids of channels that have ended; Linkedids of calls that have, and whether they were joined to
        # others. Two of each, since the last snapshot and the one before.
        self._gone: tuple[set[str], set[str]] = (set(), set())
        self._over: tuple[dict[str, bool], dict[str, bool]] = ({}, {})
        self._kept: set[str] = set()
        self._round = 0
        self._epoch = 0
        self._fresh = False
        self._unheard = Unheard()
        self._handlers = {
            NEWCHANNEL: self._newchannel,
            "NewAccountCode": self._told,
            "Newstate": self._told,
            "BridgeEnter": self._told,
            HANGUP: self._hangup,
        }

    @property
    def held(self) -> int:
        """How many channels and calls are held, those that count for the peaks too; 0 when all have ended."""
        return len(self._legs) + len(self._calls) + self._ledger.alive

    @property
    def waiting(self) -> Counter[str]:
        """How many calls are alive and unanswered, of those that were counted as started, by tenant."""
        return Counter(call.tenant for call in self._calls.values() if call.tenant and not call.answered)

    @property
    def missing(self) -> frozenset[str]:
        """What the login isn't sent, as lists show: `call` for no event of EVENTS, `Hangup`, `Newchannel`."""
        return self._unheard.missing

    # Events

    def hear(self, event: Block, now: float) -> None:
        """Take in an event; most are none of ours, and one that isn't as Asterisk's are may be a caller's."""
        name = event.get("Event", "")
        handler = self._handlers.get(name)
        if handler is not None and is_event(event):
            self._unheard.heard(name)
            handler(event, now)

    def connected(self) -> None:
        """Say that what is heard from now on comes by a new connection.

        Then the next snapshot, which is `anew`, doesn't take for ended what that connection has told of.
        Where this isn't called, that snapshot takes all that it lacks for ended.
        """
        self._epoch += 1
        self._fresh = True
        self._unheard.connected()

    def processed(self, count: int | None) -> None:
        """Take in how many calls the server has begun so far, by its CoreStatus; None where it doesn't tell.

        It is of the connection that was made last: said as soon as it is read.
        """
        self._unheard.processed(count)

    def _newchannel(self, event: Block, now: float) -> None:
        unique_id = event["Uniqueid"]
        if known := self._legs.get(unique_id):  # a snapshot was faster
            known.awaited = None
            self._told(event, now)
            return
        # The event may also be older than the snapshots that had us give up the channel.
        channel = None if self._has_gone(unique_id) else parse_channel(event)
        leg = channel and self._take_in(channel, now, patience=2, told=True)
        if leg:
            self._be(leg, event["ChannelState"], now)

    def _told(self, event: Block, now: float) -> None:
        leg = self._legs.get(event["Uniqueid"])
        if leg is not None:  # else it was there before we were: the next snapshot has it
            # After a gap, a state may be old unless the event is that of its change.
            timely = leg.epoch == self._epoch or event["Event"] == "Newstate"
            self._follow(leg, event, now)
            self._be(leg, event["ChannelState"], now if timely else None)

    def _be(self, leg: Leg, state: str, since: float | None) -> None:
        """A leg is in a state; `since` is None where nobody saw since when."""
        if leg.internal or leg.up:
            return
        if state == _UP:
            if leg.ringing is not None and since is not None:
                self._ledger.rang(self._owner(leg), since - leg.ringing)
            self._answer(leg, since)
        elif state == _RINGING and leg.ringing is None:
            leg.ringing = since

    def _hangup(self, event: Block, now: float) -> None:
        unique_id = event["Uniqueid"]
        leg = self._legs.get(unique_id)
        if leg is None:
            # Never seen, and yet a snapshot that was taken before may have it.
            self._remember(unique_id)
            return
        self._follow(leg, event, now)
        self._be(leg, event["ChannelState"], None)
        self._end(leg, now, event.get("Cause", ""))

    def _follow(self, leg: Leg, event: Block, now: float) -> None:
        """Take in what any event tells of its channel: that it lives, whose it is, to which call it belongs.

        Two calls that are joined get one Linkedid, the older one, which nothing says but the next event of
        each channel.
        """
        leg.epoch, leg.settled = self._epoch, None
        leg.told = leg.call.told = True
        linked_id = event["Linkedid"]
        if linked_id != leg.call.linked_id and 0 < len(linked_id) <= MAX_ID:
            self._go_over(leg, linked_id, now)
        if not leg.domain or event["AccountCode"][:MAX_NAME] != leg.code:
            channel = parse_channel(event)
            if channel is not None:
                self._learn(leg, channel)

    # Snapshots

    def resync(self, channels: Sequence[Channel], now: float, *, anew: bool) -> None:
        """Set right what is held by a list of all channels there are.

        `anew`: the connection is a new one, and events may have been missed. Else events are only late: some
        that happened before the list may still come, and some that happened after it may have been heard.
        """
        if anew and not self._fresh:
            self.connected()
        self._fresh = False
        self._round += 1
        listed = {channel.unique_id: channel for channel in channels}
        # What has gone first, so that a server that restarted isn't seen with its calls of before and after.
        if missing := self._legs.keys() - listed.keys():
            for leg in [leg for leg in self._legs.values() if leg.unique_id in missing]:
                self._miss(leg)
        found = False
        if strange := listed.keys() - self._legs.keys():
            for channel in channels:
                # A list can be older than a Hangup that we have heard.
                if channel.unique_id in strange and not self._has_gone(channel.unique_id):
                    self._find(channel, now, anew=anew)
                    found = True
        unsettled = []
        for channel in listed.values():
            known = self._legs.get(channel.unique_id)
            if known is None:
                continue
            if known.settled is channel and known.epoch == self._epoch:  # most of them, on a busy server
                known.patience = 1
            else:
                self._place(known, channel)
                unsettled.append((known, channel))
        for known, channel in unsettled:  # by now it is known whose they all are
            self._see(known, channel, now)
        self._unheard.listed(now, strange=found and not anew)
        self._gone = (set(), self._gone[0])
        self._over = ({}, self._over[0])
        self.full = self.full and len(self._legs) >= MAX_CHANNELS

    def _miss(self, leg: Leg) -> None:
        """A channel isn't in the list: its Hangup may be on its way, or it is younger than the list.

        One that a list has had is given one more; one that none has had yet may be too young for this one,
        and its Hangup as late as the others', so that it is given two. What wasn't heard of since the
        connection is another has ended while there was none.
        """
        if leg.epoch != self._epoch:
            self._end(leg, None, "")
        elif leg.patience == 0:
            self._unheard.without(HANGUP)
            self._end(leg, None, "")
        else:
            leg.patience -= 1

    def _announced(self, leg: Leg) -> None:
        """Wait no longer for the Newchannel of a leg that a list was first to have."""
        if leg.awaited == self._epoch:
            self._unheard.without(NEWCHANNEL)
        leg.awaited = None

    def _find(self, channel: Channel, now: float, *, anew: bool) -> None:
        """A channel is in the list that we don't know: its Newchannel may be on its way, or was missed."""
        leg = self._take_in(channel, now, patience=1, told=anew)
        if leg is None:
            return
        if anew:
            leg.epoch = self._epoch - 1
        elif not self.full:  # else it may have been announced, and there was no place for it
            leg.awaited = self._epoch

    def _place(self, leg: Leg, channel: Channel) -> None:
        """Take in what a list tells of a channel's call, and whose it is."""
        if channel.linked_id != leg.call.linked_id:
            self._go_over(leg, channel.linked_id, None)
        if not leg.domain or channel.account_code != leg.code:
            self._learn(leg, channel)

    def _see(self, leg: Leg, channel: Channel, now: float) -> None:
        """Take in what a list tells of a channel's state, and that its call is there."""
        missed = leg.epoch != self._epoch
        leg.epoch, leg.patience = self._epoch, 1
        if leg.awaited is not None and now - leg.born >= SETTLED:
            self._announced(leg)
        if leg.internal:
            return
        if channel.state == "up" and not leg.up:
            # The event that tells when may be on its way; after a second list, or a gap, it was missed.
            if leg.lag or missed:
                self._answer(leg, None)
            leg.lag = True
        call = leg.call
        self._meet(call)
        if leg.told and leg.domain and call.tenant is not None and leg.up == (channel.state == "up"):
            leg.settled = channel

    def _meet(self, call: Call) -> None:
        """Count a call that a list has.

        One that no event has told of is left to the next list: the leg that it began with may have ended, and
        its events tell whose it was. So is one of nobody: its account code may be on its way.
        """
        if call.tenant is None and ((call.told and call.owner) or 0 < call.round < self._round):
            self._count(call, call.owner or UNKNOWN_TENANT)
        call.round = call.round or self._round

    # What is asked

    def owner(self, channel: Channel) -> str:
        """Return the tenant's domain of a leg, by itself or by its call; `_unknown` where nothing tells."""
        if domain := self._whose.channel(channel):
            return domain
        if leg := self._legs.get(channel.unique_id):
            return self._owner(leg)
        call = self._calls.get(channel.linked_id)
        return (call and call.owner) or UNKNOWN_TENANT

    def take_peaks(self) -> tuple[int, dict[str, int]]:
        """Return the most calls at once, of the node and by tenant, since this was last asked.

        They begin anew from the present numbers; `samples` shows those last taken.
        """
        return self._ledger.take_peaks()

    def samples(self, node: str, tenants: TenantLookup, at: datetime) -> Iterator[Sample]:
        """Yield the counters of every tenant that has had a call, and the peaks that were last taken."""
        return self._ledger.samples(node, tenants, at)

    def spreads(self, node: str, tenants: TenantLookup, at: datetime) -> Iterator[Spread]:
        """Yield the histograms of every tenant that has had a call."""
        return self._ledger.spreads(node, tenants, at)

    def keep(self, domains: Collection[str]) -> None:
        """Forget tenants that are not among these.

        Their calls that are alive and counted are counted no further, for whomever they are then.
        """
        kept = {*domains, UNKNOWN_TENANT}
        if kept == self._kept:
            return
        self._kept = kept
        for leg in self._legs.values():
            if leg.domain and leg.domain not in kept:
                self._unlearn(leg)
        for call in self._calls.values():
            if call.tenant not in kept and call.tenant is not None:
                call.tenant = _GONE
            if call.owner not in kept:
                call.owner = next(iter(call.own), "")
            self._reckon(call)
        self._ledger.keep(kept)

    # Legs

    def _take_in(self, channel: Channel, now: float, *, patience: int, told: bool) -> Leg | None:
        if len(self._legs) >= MAX_CHANNELS:
            self.full = True
            return None
        call = self._calls.get(channel.linked_id)
        if call is None:
            call = self._calls[channel.linked_id] = Call(channel.linked_id, {})
            if self._has_ended(channel.linked_id):
                # It went on by legs that we didn't know, or took for another call's: it isn't begun twice.
                call.tenant = _GONE
        leg = Leg(channel.unique_id, call, channel.internal, self._epoch, patience, now, told)
        self._legs[channel.unique_id] = leg
        self._enter(leg)
        self._learn(leg, channel)
        return leg

    def _enter(self, leg: Leg) -> None:
        call = leg.call
        call.told = call.told or leg.told
        call.legs += 1
        if not leg.internal:
            if not call.outer:
                self._ledger.enter_node()
            call.outer += 1
            call.had_outer = True
            self._attribute(leg, 1)

    def _leave(self, leg: Leg, at: float | None) -> None:
        """Take a leg out of its call; `at` is None where it wasn't seen to end."""
        call = leg.call
        call.legs -= 1
        if not leg.internal:
            call.outer -= 1
            if not call.outer:
                self._ledger.leave_node()
            call.left_at = at
            self._attribute(leg, -1)

    def _attribute(self, leg: Leg, by: int) -> None:
        """Count a leg in or out of what its call's legs tell; an internal one is in nobody's name there."""
        if leg.internal:
            return
        call, domain = leg.call, leg.domain
        if not domain:
            call.bare += by
        elif count := call.own.get(domain, 0) + by:
            call.own[domain] = count
        else:
            del call.own[domain]

    def _learn(self, leg: Leg, channel: Channel) -> None:
        """Take in whose a channel says that it is; what it said before stays where it now says nothing."""
        leg.code = channel.account_code
        call = leg.call
        domain = self._whose.channel(channel)
        if domain and domain != leg.domain:
            self._attribute(leg, -1)
            leg.domain = domain
            self._attribute(leg, 1)
            self._own(leg)
        self._reckon(call)

    def _unlearn(self, leg: Leg) -> None:
        """Forget whose a leg is, so that it is asked anew."""
        self._attribute(leg, -1)
        leg.domain, leg.settled = "", None
        self._attribute(leg, 1)

    def _owner(self, leg: Leg) -> str:
        return leg.domain or leg.call.owner or UNKNOWN_TENANT

    def _own(self, leg: Leg) -> None:
        """Have a leg tell whose its call is: the one it began with, else the first that tells of a tenant."""
        call = leg.call
        if leg.domain and (not call.owner or leg.unique_id == call.linked_id):
            call.owner = leg.domain

    def _go_over(self, leg: Leg, linked_id: str, at: float | None) -> None:
        """A channel has another Linkedid than its call; `at` is None where a snapshot says so."""
        if linked_id in leg.left:
            return  # the snapshot or the event is older than what we know
        left = leg.call
        leg.left = (*leg.left[-_STEPS:], left.linked_id)
        call = self._calls.get(linked_id)
        if call is None:
            if self._was_joined(linked_id):
                return  # an event that is older than the snapshot by which the channel went over
            # The call of that Linkedid has ended, or was before us: this one goes on in its name.
            left.joined = left.joined or self._has_ended(linked_id)
            del self._calls[left.linked_id]
            self._close(left.linked_id, joined=True)
            left.linked_id = linked_id
            self._calls[linked_id] = left
            return
        self._leave(leg, at)
        left.joined = left.joined or not leg.internal
        self._settle(left)  # before it is in the other call: nobody ever had one more
        leg.call = call
        self._enter(leg)
        self._own(leg)
        self._reckon(call)
        if leg.up:
            self._answered(call, at)

    def _end(self, leg: Leg, at: float | None, cause: str) -> None:
        """A channel has ended; `at` is None where that wasn't seen."""
        if leg.lag and not leg.up:
            self._answer(leg, None)
        self._announced(leg)
        call = leg.call
        del self._legs[leg.unique_id]
        self._remember(leg.unique_id)
        self._leave(leg, at)
        if not leg.internal and at is not None:
            call.last_cause = cause
            if leg.unique_id == call.linked_id:
                call.first_cause = cause
        self._settle(call)

    # Calls

    def _answer(self, leg: Leg, at: float | None) -> None:
        leg.up = True
        self._answered(leg.call, at)

    def _answered(self, call: Call, at: float | None) -> None:
        """A call has been answered; `at` is None where nobody saw when."""
        if call.answered:
            return
        call.answered, call.answered_at = True, at
        self._count(call, call.owner or UNKNOWN_TENANT)
        if call.tenant:
            self._ledger.answered(call.tenant)

    def _count(self, call: Call, domain: str) -> None:
        """Count a call for a tenant, once, as soon as a leg of somebody's has been in it."""
        if call.tenant is None and call.had_outer:
            call.tenant = domain
            self._ledger.started(domain)
            self._reckon(call)

    def _reckon(self, call: Call) -> None:
        """Have a call alive for each tenant that has a leg in it.

        A call of nobody is alive for `_unknown` only once it was counted so: until then a trunk's leg is
        waiting for its account code.
        """
        parties = frozenset(call.own)
        if call.bare and (whose := call.owner or (UNKNOWN_TENANT if call.tenant is not None else "")):
            parties |= {whose}
        if parties != call.parties:
            for domain in parties - call.parties:
                self._ledger.enter(domain)
            for domain in call.parties - parties:
                self._ledger.leave(domain)
            call.parties = parties

    def _settle(self, call: Call) -> None:
        """After a leg has left: is the call still one, and if not, how did it end?"""
        self._reckon(call)
        if call.legs:
            return
        del self._calls[call.linked_id]
        self._close(call.linked_id, joined=call.joined)
        self._count(call, call.owner or UNKNOWN_TENANT)
        if not call.tenant or call.joined:
            return
        if call.answered:
            if call.answered_at is not None and call.left_at is not None:
                self._ledger.lasted(call.tenant, call.left_at - call.answered_at)
        elif call.left_at is None:
            self._ledger.unseen(call.tenant)
        else:
            cause = call.last_cause if call.first_cause is None else call.first_cause
            self._ledger.failed(call.tenant, cause_word(cause))

    # What has been

    def _has_gone(self, unique_id: str) -> bool:
        return unique_id in self._gone[0] or unique_id in self._gone[1]

    def _remember(self, unique_id: str) -> None:
        if 0 < len(unique_id) <= MAX_ID and len(self._gone[0]) < MAX_CHANNELS:
            self._gone[0].add(unique_id)

    def _has_ended(self, linked_id: str) -> bool:
        return linked_id in self._over[0] or linked_id in self._over[1]

    def _was_joined(self, linked_id: str) -> bool:
        return self._over[0].get(linked_id, False) or self._over[1].get(linked_id, False)

    def _close(self, linked_id: str, *, joined: bool) -> None:
        if len(self._over[0]) < MAX_CHANNELS:
            self._over[0][linked_id] = joined
