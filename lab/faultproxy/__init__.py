"""A TCP proxy on loopback that breaks the network between two servers when it is told to."""

from lab.faultproxy.control import steer
from lab.faultproxy.proxy import FaultProxy, Mode

__all__ = ["FaultProxy", "Mode", "steer"]
