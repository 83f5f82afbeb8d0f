"""What is odd about the RTP that comes, in lines for a person: bounded, whatever comes."""

from collections import Counter

from synthetic.address import Address, hostport

_MOST = 3
"""Addresses and payload types that are named; of more there is no word."""


class Oddities:
    """Counts of what is odd."""

    def __init__(self) -> None:
        self.no_rtp = 0
        self.sources = 0
        self.passed_over = 0
        self.strays = 0
        self.too_short = 0
        self._senders: Counter[Address] = Counter()
        self._types: Counter[int] = Counter()
        self._not_agreed: Counter[str] = Counter()
        self._sizes: Counter[int] = Counter()

    def sender(self, address: Address) -> None:
        """Count a packet that came from where no description says."""
        if address in self._senders or len(self._senders) < _MOST:
            self._senders[address] += 1

    def payload_type(self, number: int) -> None:
        """Count a packet that is neither G.711 nor a telephone event."""
        if number in self._types or len(self._types) < _MOST:
            self._types[number] += 1

    def codec(self, name: str) -> None:
        """Count a packet of G.711 in a law that was not agreed."""
        self._not_agreed[name] += 1

    def size(self, samples: int) -> None:
        """Count a packet of so many samples that is not one of 20 ms."""
        if samples in self._sizes or len(self._sizes) < _MOST:
            self._sizes[samples] += 1

    def lines(self) -> list[str]:
        """Return what there is to say."""
        said = [
            f"{_packets(count)} came from {hostport(address)}, which the session description does not name"
            for address, count in self._senders.items()
        ]
        said += [
            f"{_packets(count)} of payload type {n}, which was not agreed" for n, count in self._types.items()
        ]
        said += [
            f"{_packets(count)} of {name}, which was not agreed" for name, count in self._not_agreed.items()
        ]
        said += [
            f"{_packets(count)} of {samples / 8:g} ms instead of 20" for samples, count in self._sizes.items()
        ]
        if self.sources > 1:
            said.append(f"{self.sources} sources (SSRC) sent one after the other or at once")
        if self.passed_over:
            said.append(f"{_packets(self.passed_over)} of too many sources (SSRC) were not counted")
        if self.no_rtp:
            said.append(f"{self.no_rtp} of the datagrams that came were no RTP")
        if self.strays:
            said.append(
                f"{_packets(self.strays)} in the voice of another call, too few to say that it is heard"
            )
        if self.too_short:
            said.append(f"{self.too_short / 8:g} ms of sound, too little to say that any is heard")
        return said


def not_of_the_call(count: int, address: Address) -> str:
    """Return what to say of packets in a voice that nobody in the call sent."""
    return (
        f"{_packets(count)} in another call's voice came from {hostport(address)}, which is not of this call"
    )


def _packets(count: int) -> str:
    return "a packet" if count == 1 else f"{count} packets"
