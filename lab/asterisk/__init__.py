"""The lab's PBX: Asterisk 22 behind the SIP front, with contexts and account codes per tenant."""

from lab.asterisk.part import AsteriskPart

__all__ = ["AsteriskPart"]
