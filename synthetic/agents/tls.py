"""TLS as a probe speaks it: what it can't use is a misconfiguration."""

import ssl

from dialtone.model import FailureCode, TlsPlan
from dialtone.runtime import tls
from dialtone.runtime.tls import why_not
from synthetic.probes.base import FlowError

__all__ = ["client_context", "why_not"]


def client_context(plan: TlsPlan) -> ssl.SSLContext:
    """Return how we speak TLS by a plan. Blocks: it reads certificates.

    Raises FlowError with misconfigured where the plan's file can't be read.
    """
    try:
        return tls.client_context(plan)
    except tls.TrustError as error:
        raise FlowError(FailureCode.MISCONFIGURED, str(error)) from None
