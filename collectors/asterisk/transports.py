"""The ways to an Asterisk's manager, chosen by the node's address."""

from collections.abc import Callable

from collectors.asterisk.ajam import AjamClient
from collectors.asterisk.client import AmiClient
from collectors.asterisk.manager import Hear, Manager
from collectors.asterisk.tls import tls_of
from dialtone.model import Node, Secret
from dialtone.ports import Clock


def manager_of(
    node: Node, clock: Clock, hear: Hear | None = None, connected: Callable[[], None] | None = None
) -> Manager:
    """Return the manager of a node: AJAM for http:// and https://, else AMI. Nothing is connected yet.

    Without `hear` no events are asked for. `connected` is called at each login that succeeds, before `hear`
    is handed the first event of that connection.
    """
    over_http = node.endpoint.startswith(("http://", "https://"))
    transport: type[AjamClient] | type[AmiClient] = AjamClient if over_http else AmiClient
    return transport(
        node.endpoint,
        node.username or "",
        node.secret or Secret(""),
        deadline=node.timeout,
        hear=hear,
        connected=connected,
        tls=tls_of(node),
        clock=clock,
    )
