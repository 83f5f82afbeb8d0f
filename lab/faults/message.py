"""A small SIP message, for what misbehaves on purpose: headers in order, bytes as they are."""

from dataclasses import dataclass, field
from typing import Self


@dataclass
class SipText:
    """A message taken apart: the first line, headers as (name, value), the body."""

    first: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: str = ""

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Take a datagram apart."""
        head, _, body = data.decode("latin-1").partition("\r\n\r\n")
        first, *lines = head.split("\r\n")
        pairs = (line.partition(":")[::2] for line in lines)
        return cls(first, [(name.strip(), value.strip()) for name, value in pairs], body)

    def encode(self) -> bytes:
        """Put it together again, with a right Content-Length."""
        kept = [(name, value) for name, value in self.headers if name.lower() != "content-length"]
        lines = [
            self.first,
            *(f"{name}: {value}" for name, value in kept),
            f"Content-Length: {len(self.body)}",
        ]
        return ("\r\n".join(lines) + "\r\n\r\n" + self.body).encode("latin-1")

    def all(self, name: str) -> list[str]:
        """Return every value of a header."""
        return [value for key, value in self.headers if key.lower() == name]

    def get(self, name: str) -> str:
        """Return the first value of a header, or nothing."""
        return next(iter(self.all(name)), "")

    @property
    def is_response(self) -> bool:
        """Whether it starts with a status."""
        return self.first.startswith("SIP/2.0")

    @property
    def method(self) -> str:
        """The method of a request, or the one a response answers."""
        return self.get("cseq").split()[-1] if self.is_response else self.first.split()[0]

    @property
    def status(self) -> int:
        """The status of a response."""
        return int(self.first.split()[1])

    def reply(
        self, status: int, reason: str, *extra: tuple[str, str], body: str = "", tag: str = "srv"
    ) -> "SipText":
        """Return a response to this request."""
        to = self.get("to")
        if status > 100 and ";tag=" not in to:
            to = f"{to};tag={tag}"
        headers = [("Via", via) for via in self.all("via")]
        headers += [("From", self.get("from")), ("To", to)]
        headers += [("Call-ID", self.get("call-id")), ("CSeq", self.get("cseq")), *extra]
        if body:
            headers.append(("Content-Type", "application/sdp"))
        return SipText(f"SIP/2.0 {status} {reason}", headers, body)
