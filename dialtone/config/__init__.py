"""Configuration: dialtone.yaml -> Settings, or every problem it has."""

from dialtone.config.directory import TenantDirectory
from dialtone.config.load import load
from dialtone.config.problem import ConfigError, Problem
from dialtone.config.settings import (
    AccessToken,
    Caps,
    Discover,
    EvidenceLimits,
    HeartbeatWriter,
    Listen,
    ProbeSpec,
    Receiver,
    ResultLimits,
    Settings,
    TenantQuery,
)
from dialtone.config.tree import TenantTree

__all__ = [
    "AccessToken",
    "Caps",
    "ConfigError",
    "Discover",
    "EvidenceLimits",
    "HeartbeatWriter",
    "Listen",
    "Problem",
    "ProbeSpec",
    "ResultLimits",
    "Receiver",
    "Settings",
    "TenantDirectory",
    "TenantQuery",
    "TenantTree",
    "load",
]
