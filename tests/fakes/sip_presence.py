"""The small SIP server with a presence server inside, which can misbehave in the ways that those do."""

import re
from collections.abc import Mapping
from enum import StrEnum, auto

from lab.faults.message import SipText
from synthetic.presence_documents import PIDF, pidf
from tests.fakes.sip_server import Address, Manner, SipServer


class Habit(StrEnum):
    """How the presence server behaves."""

    PROPER = auto()
    REFUSES_PUBLICATIONS = auto()
    REFUSES_CHANGES = auto()
    REFUSES_SUBSCRIPTIONS = auto()
    NEVER_NOTIFIES = auto()
    LOSES_THE_CHANGE = auto()
    TELLS_THE_OLD_STATE = auto()
    TELLS_THE_NEW_STATE_FIRST = auto()
    ENDS_SUBSCRIPTIONS = auto()
    TELLS_GARBAGE = auto()
    TELLS_ANOTHER_TYPE = auto()
    TELLS_NOTHING = auto()
    FORGETS_THE_LAST_NOTIFY = auto()
    REFUSES_TO_END = auto()
    NOTIFIES_BEFORE_ANSWERING = auto()
    NAMES_NO_TAG = auto()
    FORGETS_PUBLICATIONS = auto()
    WANTS_LONGER_LIVES = auto()
    WANTS_LONGER_LIVES_FOREVER = auto()
    IS_UNAVAILABLE = auto()
    ASKS_EVERYBODY_FOR_A_PASSWORD = auto()
    KNOWS_ANOTHER_PHONE = auto()


_REFUSED: Mapping[Habit, tuple[str, int, str]] = {
    Habit.REFUSES_PUBLICATIONS: ("PUBLISH", 405, "Method Not Allowed"),
    Habit.REFUSES_SUBSCRIPTIONS: ("SUBSCRIBE", 489, "Bad Event"),
    Habit.IS_UNAVAILABLE: ("OPTIONS", 503, "Service Unavailable"),
}
_LONGER = (Habit.WANTS_LONGER_LIVES, Habit.WANTS_LONGER_LIVES_FOREVER)


class PresenceServer(SipServer):
    """Adds OPTIONS, PUBLISH and SUBSCRIBE; dialogs are those of the calls that it relays."""

    def __init__(
        self, passwords: Mapping[str, str], habit: Habit = Habit.PROPER, manner: Manner = Manner.PROPER
    ) -> None:
        super().__init__(passwords, manner)
        self.habit = habit
        self.published: dict[str, str] = {}
        self._documents: dict[str, str] = {}
        self.subscribers: dict[str, tuple[SipText, Address]] = {}
        self._dialogs: dict[str, str] = {}
        self._notified = 0
        self._tags = 0
        self._asked: set[str] = set()

    def _serve(self, message: SipText, addr: Address) -> None:
        kind = message.method
        if self._is_refused(message, addr):
            return
        if kind == "OPTIONS":
            self._send(message.reply(200, "OK").encode(), addr)
        elif kind == "PUBLISH":
            self._publish(message, addr)
        elif kind == "SUBSCRIBE":
            self._subscribe(message, addr)
        else:
            super()._serve(message, addr)

    def _is_refused(self, message: SipText, addr: Address) -> bool:
        kind, expires = message.method, message.get("expires")
        method, status, reason = _REFUSED.get(self.habit, ("", 0, ""))
        if kind == method:
            self._send(message.reply(status, reason).encode(), addr)
            return True
        if kind == "OPTIONS" and self.habit is Habit.ASKS_EVERYBODY_FOR_A_PASSWORD:
            self._challenge(message, addr, 401, "WWW-Authenticate")
            return True
        short = kind in ("REGISTER", "PUBLISH", "SUBSCRIBE") and expires.isdigit() and int(expires) > 0
        if self.habit in _LONGER and short and (int(expires) < 120 or self.habit is _LONGER[1]):
            self._send(message.reply(423, "Interval Too Brief", ("Min-Expires", "120")).encode(), addr)
            return True
        return False

    def _publish(self, message: SipText, addr: Address) -> None:
        if not self._authorised(message, addr, 401, "WWW-Authenticate", "authorization"):
            return
        user, tag = _user(message.get("to")), message.get("sip-if-match")
        leaving, changing = message.get("expires") == "0", bool(tag)
        if changing and not leaving and self.habit is Habit.REFUSES_CHANGES:
            self._send(message.reply(500, "Server Internal Error").encode(), addr)
            return
        if changing and not leaving and self.habit is Habit.FORGETS_PUBLICATIONS:
            self._send(message.reply(412, "Conditional Request Failed").encode(), addr)
            return
        self._tags += 1
        named = () if self.habit is Habit.NAMES_NO_TAG else (("SIP-ETag", f"t{self._tags}"),)
        self._send(message.reply(200, "OK", *named).encode(), addr)
        if leaving:
            self.published.pop(user, None)
            return
        state = "open" if "<basic>open" in message.body else "closed"
        first = user not in self.published
        self.published[user] = state
        self._documents[user] = message.body
        if not first and self.habit is not Habit.LOSES_THE_CHANGE:
            told = "closed" if self.habit is Habit.TELLS_THE_OLD_STATE else state
            for call_id in list(self.subscribers):
                self._notify(call_id, self._document(call_id, told))

    def _subscribe(self, message: SipText, addr: Address) -> None:
        if not self._authorised(message, addr, 407, "Proxy-Authenticate", "proxy-authorization"):
            return
        call_id, leaving = message.get("call-id"), message.get("expires") == "0"
        if leaving and self.habit is Habit.REFUSES_TO_END:
            self._send(message.reply(500, "Server Internal Error").encode(), addr)
            return
        accepted = message.reply(200, "OK", ("Contact", f"<sip:127.0.0.1:{self.port}>"), ("Expires", "60"))
        if not leaving:
            self.subscribers[call_id] = (message, addr)
        if self.habit is Habit.NOTIFIES_BEFORE_ANSWERING:
            self._first_notify(call_id, leaving)
            self._loop.call_later(0.05, self._send, accepted.encode(), addr)
            return
        self._send(accepted.encode(), addr)
        self._first_notify(call_id, leaving)

    def _first_notify(self, call_id: str, leaving: bool) -> None:
        if leaving:
            if self.habit is not Habit.FORGETS_THE_LAST_NOTIFY:
                self._notify(call_id, None, "terminated;reason=timeout")
            self.subscribers.pop(call_id, None)
        elif self.habit is Habit.ENDS_SUBSCRIPTIONS:
            self._notify(call_id, None, "terminated;reason=noresource")
        elif self.habit is not Habit.NEVER_NOTIFIES:
            watched = _user(self.subscribers[call_id][0].get("to"))
            early = self.habit is Habit.TELLS_THE_NEW_STATE_FIRST
            self._notify(call_id, self._document(call_id, "open" if early else self._state(call_id, watched)))

    def _state(self, call_id: str, watched: str) -> str:
        if self.subscribers[call_id][0].get("event") == "dialog":
            return self._dialogs.get(watched, "terminated")
        return self.published.get(watched, "closed")

    def _document(self, call_id: str, state: str) -> tuple[str, str] | None:
        entity = f"sip:{_user(self.subscribers[call_id][0].get('to'))}@acme.example"
        if self.habit is Habit.TELLS_GARBAGE:
            return PIDF, "<presence"
        if self.habit is Habit.TELLS_ANOTHER_TYPE:
            return "application/xpidf+xml", "<presence/>"
        if self.habit is Habit.TELLS_NOTHING:
            return None
        if self.subscribers[call_id][0].get("event") == "dialog":
            return "application/dialog-info+xml", (
                f'<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="0" state="full"'
                f' entity="{entity}"><dialog id="1"><state>{state}</state></dialog></dialog-info>'
            )
        if self.habit is Habit.KNOWS_ANOTHER_PHONE:
            other = '<tuple id="a1"><status><basic>open</basic></status></tuple></presence>'
            return PIDF, self._documents[_user(entity)].replace("</presence>", other)
        return PIDF, pidf(entity, state)

    def _notify(
        self, call_id: str, document: tuple[str, str] | None, state: str = "active;expires=60"
    ) -> None:
        about, addr = self.subscribers[call_id]
        self._notified += 1
        headers = [
            ("Via", f"SIP/2.0/UDP 127.0.0.1:{self.port};branch=z9hG4bKnotify{self._notified}"),
            ("Max-Forwards", "70"),
            ("From", about.reply(200, "OK").get("to")),
            ("To", about.get("from")),
            ("Call-ID", call_id),
            ("CSeq", f"{self._notified} NOTIFY"),
            ("Contact", f"<sip:127.0.0.1:{self.port}>"),
            ("Event", about.get("event")),
            ("Subscription-State", state),
        ]
        if document is not None:
            headers.append(("Content-Type", document[0]))
        uri = f"sip:{addr[0]}:{addr[1]}"
        body = "" if document is None else document[1]
        self._send(SipText(f"NOTIFY {uri} SIP/2.0", headers, body).encode(), addr)

    def _forward(self, message: SipText, where: Address, initial: bool) -> None:
        super()._forward(message, where, initial)
        caller = {"INVITE": "early", "ACK": "confirmed", "BYE": "terminated"}.get(message.method)
        if caller is not None:
            self._in_call(_user(message.get("from")), caller)

    def _in_call(self, user: str, state: str) -> None:
        if self._dialogs.get(user) == state:
            return
        self._dialogs[user] = state
        for call_id, (about, _) in list(self.subscribers.items()):
            if about.get("event") == "dialog" and _user(about.get("to")) == user:
                self._notify(call_id, self._document(call_id, state))


def _user(address: str) -> str:
    found = re.search(r"sips?:([^@>;]+)@", address)
    return found[1] if found else ""
