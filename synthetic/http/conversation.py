"""What was asked and what was answered, kept as it goes: a deadline that strikes leaves what there was."""

from dataclasses import dataclass, field
from typing import Final, Literal

import aiohttp
from yarl import URL

from dialtone.model import Evidence, Mark, Message
from dialtone.ports import Clock
from synthetic.http.connection import Progress
from synthetic.http.redaction import shown_body, shown_headers, shown_path

PARTY: Final = "client"
_MAX_REASON: Final = 60


@dataclass(slots=True)
class Conversation:
    """The messages and marks of a probe; `begun` is its start on the clock."""

    clock: Clock
    begun: float
    progress: Progress
    messages: list[Message] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)

    def mark(self, name: str) -> None:
        """Name this instant."""
        self.marks.append(Mark(name, self.clock.monotonic() - self.begun))

    def asked(self, url: URL, headers: dict[str, str]) -> None:
        """Keep a request: when its connection was there, it was sent."""
        if self.progress.connected is None:
            return
        lines = [f"GET {shown_path(url.raw_path, url.raw_query_string)} HTTP/1.1"]
        lines += shown_headers([("Host", url.authority), *headers.items()])
        self._add("sent", self.progress.connected, url, _text(lines))

    def answered(self, response: aiohttp.ClientResponse) -> None:
        """Keep the head of an answer."""
        at = self.progress.first_byte or self.clock.monotonic()
        raw = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in response.raw_headers]
        lines = [f"HTTP/1.1 {status_of(response)}", *shown_headers(raw)]
        self._add("received", at, response.url, _text(lines))

    def said(self, body: bytes) -> None:
        """Put the beginning of a body to the head that was kept last."""
        if body:
            last = self.messages[-1]
            self.messages[-1] = Message(
                *(last.at, last.party, last.direction, last.source, last.destination, last.transport),
                text=last.text + shown_body(body),
            )

    def evidence(self) -> Evidence:
        """Return all of it."""
        return Evidence(tuple(self.messages), tuple(self.marks))

    def _add(self, direction: Literal["sent", "received"], at: float, url: URL, text: str) -> None:
        ours, theirs = self.progress.local, self.progress.remote
        source, destination = (ours, theirs) if direction == "sent" else (theirs, ours)
        transport = "tls" if url.scheme == "https" else "tcp"
        self.messages.append(Message(at - self.begun, PARTY, direction, source, destination, transport, text))


def status_of(response: aiohttp.ClientResponse) -> str:
    """Return status and reason, the reason as one short printable line."""
    reason = "".join(c if c.isprintable() else " " for c in (response.reason or "")[:_MAX_REASON])
    return f"{response.status} {reason}".rstrip()


def _text(lines: list[str]) -> str:
    return "\r\n".join(lines) + "\r\n\r\n"
