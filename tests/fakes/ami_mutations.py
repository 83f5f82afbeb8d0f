"""What no Asterisk sends: its recorded answers and events, mutated. All of it is drawn from a seed."""

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

DATA: Final = Path(__file__).parents[1] / "data" / "asterisk"

Rewrite = Callable[[random.Random, bytes], bytes]

_BREAKS: Final = (
    b"\n",
    b"\r",
    b"\n\r",
    b"\r\r\n",
    b"\r\n\n",
    b"\r\n\r\n",
    b"\r\n\r\n\r\n",
    b"\x0b",
    b"\x85",
    b"",
)
_ODD: Final = (
    *(b"\0", b"\xff\xfe", b"\xc3", b"\xf0\x9f", b":", b": ", b"::", b"\r", b"\n", b"\r\n", b"\r\n\r\n", b"!"),
    *(b"\r\nActionID: ", b"\r\nEvent: Hangup", b"\r\nResponse: Success", b"\r\nEventList: cancelled"),
    *(b"\r\nListItems: -1", b"\r\nListItems: " + b"9" * 5000, b"\r\nResponse:", b"\r\nEventList: Complete"),
)
_LONG: Final = (
    b"x",
    b"\0",
    b"\r",
    b"\n",
    b":",
    b": ",
    b"\xff",
    b"a: b\r\n",
    b"Output: x\r\n",
    b"\r\n",
    b"\r\n\r\n",
)
_SIZES: Final = (200, 2_000, 60_000, 66_000, 300_000)


def answers() -> list[bytes]:
    """Return recorded answers of all actions."""
    return [path.read_bytes() for path in sorted(DATA.glob("*/*.reply"))]


def events() -> list[bytes]:
    """Return recorded events, each with its end."""
    files = sorted(DATA.glob("*/events/*.reply"))
    told = [event for path in files for event in path.read_bytes().split(b"\r\n\r\n")[:-1]]
    return [event + b"\r\n\r\n" for event in told if b"Event: " in event]


class Mutator:
    """Makes answers and events that are wrong somewhere, and pieces of any size of them."""

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed)
        self._answers, self._events = answers(), events()

    def recording(self) -> bytes:
        """Return a recorded answer as it is."""
        return self._draw.choice(self._answers)

    def mutated(self, recording: bytes) -> bytes:
        """Return a recording with events before, in and behind it, mutated once or several times."""
        draw = self._draw
        messages = recording.split(b"\r\n\r\n")
        for _ in range(draw.choice((0, 0, 1, 1, 4))):
            messages.insert(
                draw.randrange(len(messages)), draw.choice(self._events).removesuffix(b"\r\n\r\n")
            )
        made = b"\r\n\r\n".join(messages)
        for _ in range(draw.choice((1, 1, 1, 2, 3))):
            if draw.random() < 0.1:
                other = draw.choice(self._answers)
                made = made[: draw.randint(0, len(made))] + other[draw.randrange(len(other)) :]
            made = draw.choice(MUTATIONS)(draw, made)
        return made

    def pieces(self, stuff: bytes) -> list[bytes]:
        """Return it cut anywhere, into a few pieces or into many."""
        draw = self._draw
        cuts = sorted(draw.randint(0, len(stuff)) for _ in range(draw.choice((0, 0, 1, 3, 30))))
        return [stuff[a:b] for a, b in zip([0, *cuts], [*cuts, len(stuff)], strict=True)]


def _flipped(draw: random.Random, stuff: bytes) -> bytes:
    changed = bytearray(stuff)
    for _ in range(draw.randint(1, 8) if changed else 0):
        changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
    return bytes(changed)


def _cut(draw: random.Random, stuff: bytes) -> bytes:
    return stuff[: draw.randint(0, len(stuff))]


def _with_a_hole(draw: random.Random, stuff: bytes) -> bytes:
    start = draw.randint(0, len(stuff))
    return stuff[:start] + stuff[start + draw.randint(1, 200) :]


def _inserted(draw: random.Random, stuff: bytes) -> bytes:
    at = draw.randint(0, len(stuff))
    return stuff[:at] + draw.choice((*_ODD, draw.randbytes(5))) + stuff[at:]


def _blown_up(draw: random.Random, stuff: bytes) -> bytes:
    at, unit = draw.randint(0, len(stuff)), draw.choice(_LONG)
    return stuff[:at] + unit * (draw.choice(_SIZES) // len(unit)) + stuff[at:]


def _with_lines(change: Callable[[random.Random, list[bytes]], object]) -> Rewrite:
    def rewrite(draw: random.Random, stuff: bytes) -> bytes:
        lines = stuff.split(b"\r\n")
        change(draw, lines)
        return b"\r\n".join(lines)

    return rewrite


def _line_twice(draw: random.Random, lines: list[bytes]) -> None:
    line = draw.choice(lines)
    for _ in range(draw.choice((1, 1, 2, 50))):
        lines.insert(draw.randint(0, len(lines)), line)


def _line_gone(draw: random.Random, lines: list[bytes]) -> None:
    del lines[draw.randrange(len(lines))]


def _lines_swapped(draw: random.Random, lines: list[bytes]) -> None:
    a, b = draw.randrange(len(lines)), draw.randrange(len(lines))
    lines[a], lines[b] = lines[b], lines[a]


def _colon_gone(draw: random.Random, lines: list[bytes]) -> None:
    at = draw.randrange(len(lines))
    lines[at] = lines[at].replace(b":", draw.choice((b"", b" ", b"::")))


def _value_replaced(draw: random.Random, lines: list[bytes]) -> None:
    at = draw.randrange(len(lines))
    lines[at] = lines[at].partition(b":")[0] + b": " + draw.choice(_ODD)


def _other_breaks(draw: random.Random, stuff: bytes) -> bytes:
    at = draw.randint(0, len(stuff))
    return stuff[:at] + stuff[at:].replace(b"\r\n", draw.choice(_BREAKS), draw.choice((1, 3, -1)))


MUTATIONS: Final[Sequence[Rewrite]] = (
    _flipped,
    _flipped,
    _cut,
    _with_a_hole,
    _inserted,
    _inserted,
    _other_breaks,
    _other_breaks,
    _with_lines(_line_twice),
    _with_lines(_line_gone),
    _with_lines(_lines_swapped),
    _with_lines(_colon_gone),
    _with_lines(_value_replaced),
    _blown_up,
)
