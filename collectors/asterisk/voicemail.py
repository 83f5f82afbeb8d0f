"""Voicemail: mailboxes of each tenant, and messages in them.

Source: VoicemailUsersList (write=reporting, app_voicemail; Asterisk 16 has it as 22 has). The server counts
files on disk for it, or asks its database, while its list of mailboxes is locked: to be asked seldom.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from collectors.asterisk.figures import count
from collectors.asterisk.level import Level, Levels, Scene, Values, tenant_gauge
from collectors.asterisk.wire import Block
from dialtone.model import UNKNOWN_TENANT, CollectError, CollectFailure

ACTION: Final = "VoicemailUsersList"
ENDS_WITH: Final = "VoicemailUserEntryComplete"
FOLDERS: Final = ("new", "old")
_COUNTS: Final = {"new": "NewMessageCount", "old": "OldMessageCount"}

MESSAGES: Final = tenant_gauge("voicemail_messages", "Messages in the tenant's mailboxes", "folder")
MAILBOXES: Final = tenant_gauge("mailboxes", "Mailboxes of the tenant")
METRICS: Final = (MESSAGES, MAILBOXES)


def parse(items: Sequence[Block], scene: Scene) -> tuple[Values, Values]:
    """Return messages and mailboxes by tenant, whose context says whose they are.

    Raises CollectError where an item is none: half a list would be a wrong count.
    """
    messages: Counter[tuple[str, ...]] = Counter()
    mailboxes: Counter[tuple[str, ...]] = Counter()
    for item in items:
        domain = scene.whose.name(item.get("VMContext", "")) or UNKNOWN_TENANT
        for folder in FOLDERS:
            number = count(item.get(_COUNTS[folder]))
            if number is None:
                raise CollectError(
                    CollectFailure.PROTOCOL, f"{ACTION}: a mailbox whose {_COUNTS[folder]} is no number"
                )
            messages[domain, folder] += number
        mailboxes[domain,] += 1
    return messages, mailboxes


def levels() -> Levels:
    """Return what shows a node's mailboxes."""
    return Levels(Level(MESSAGES, [(folder,) for folder in FOLDERS]), Level(MAILBOXES))
