"""The lab's PBXs: Asterisk 22 and 16 behind the SIP front, with contexts and account codes per tenant."""

from lab.asterisk.part import AsteriskPart, OldAsteriskPart

__all__ = ["AsteriskPart", "OldAsteriskPart"]
