"""The SIP front of the lab, and a second one: registrar, proxy and presence server of the sample tenants."""

from lab.front.part import SecondSipPart, SipPart

__all__ = ["SecondSipPart", "SipPart"]
