"""Asterisk's manager interface for the lab: who may log in, by which ways, and what events they get (pure).

Seen with 16.28 and 22.10: a user's filter holds back events alone, never what answers an action.
"""

from typing import Final

from collectors.asterisk.events import EVENTS
from collectors.asterisk.manager import EVENT_CLASSES
from lab.asterisk.series import Settings
from lab.ports import LOOPBACK

COLLECTOR: Final = "dialtone"
LAB_USER: Final = "lab"
TEST_USERS: Final = ("system", "cli", "call", "deaf")
"""For tests: the collector's rights and `system`, `command` or `call`; and its rights without any event."""

_FILTER: Final = f"eventfilter = ^Event: ({'|'.join(sorted(EVENTS))})[[:space:]]\n"
"""What the guide has people write (docs/asterisk.md): the events that are counted, and no others.

One regular expression for an event's first line: Hangup alone would be found in HangupRequest too, and in
what callers call themselves. 22's own eventfilter(name(Hangup)) is ignored by 16 without a word: all come.
"""
_READ: Final = EVENT_CLASSES
_WRITE: Final = "reporting"


def manager(settings: Settings) -> str:
    """Return manager.conf: TCP and TLS on loopback, and AJAM.

    The collector's user has the least rights that its events and most lists work with. `lab` can do nothing;
    it may hear system events, because FullyBooted is the one sure sign that everything is loaded.
    """
    collectors = f"read = {_READ}\n"
    users = (
        (COLLECTOR, settings.collector_secret, collectors + _FILTER, _WRITE),
        (LAB_USER, settings.lab_secret, "read = system\n", ""),
        ("system", settings.lab_secret, collectors, f"system,{_WRITE}"),
        ("cli", settings.lab_secret, collectors, f"command,{_WRITE}"),
        ("call", settings.lab_secret, collectors, f"call,{_WRITE}"),
        ("deaf", settings.lab_secret, "read = \n", _WRITE),
    )
    general = f"""\
[general]
enabled = yes
webenabled = yes
bindaddr = {LOOPBACK}
port = {settings.ami}
tlsenable = yes
tlsbindaddr = {LOOPBACK}:{settings.ami_tls}
tlscertfile = {settings.certificate}
tlsprivatekey = {settings.key}
"""
    return general + "".join(
        f"\n[{name}]\nsecret = {secret}\ndeny = 0.0.0.0/0.0.0.0\npermit = {LOOPBACK}/255.255.255.255\n"
        f"{read}write = {write}\nwritetimeout = 5000\n"
        for name, secret, read, write in users
    )


def http(settings: Settings) -> str:
    """Return http.conf: AJAM by http and https on loopback, and nothing else there."""
    return f"""\
[general]
enabled = yes
enablestatic = no
enable_status = no
bindaddr = {LOOPBACK}
bindport = {settings.ajam}
tlsenable = yes
tlsbindaddr = {LOOPBACK}:{settings.ajam_tls}
tlscertfile = {settings.certificate}
tlsprivatekey = {settings.key}
"""
