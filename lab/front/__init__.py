"""The SIP front of the lab: registrar, proxy and presence server of the sample tenants."""

from lab.front.part import SipPart

__all__ = ["SipPart"]
