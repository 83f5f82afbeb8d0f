"""What a reply must have in common with one that OpenSIPS 3.6.8 gave to the same request."""

import json
from pathlib import Path
from typing import Final

RECORDINGS: Final = Path(__file__).parents[1] / "data/lab/opensips-3.6.8"

REQUESTS: Final[dict[str, tuple[str, object]]] = {
    "live-version": ("version", []),
    "live-uptime": ("uptime", []),
    "live-ps": ("ps", []),
    "live-which": ("which", []),
    "live-list_all_profiles": ("list_all_profiles", []),
    "live-list_statistics": ("list_statistics", []),
    "live-get_statistics-all": ("get_statistics", {"statistics": ["all"]}),
    "live-get_statistics-single": ("get_statistics", {"statistics": ["rcv_requests"]}),
    "live-get_statistics-nonexistent": ("get_statistics", {"statistics": ["nosuchstat"]}),
    "live-get_statistics-nonexistent-group": ("get_statistics", {"statistics": ["nosuchgroup:"]}),
    "live-get_statistics-prefixed-name": ("get_statistics", {"statistics": ["core:rcv_requests"]}),
    "live-get_statistics-no-params": ("get_statistics", []),
    "live-get_statistics-string-not-array": ("get_statistics", {"statistics": "dialog:"}),
    "live-profile_get_values-tenant": ("profile_get_values", {"profile": "tenant"}),
    "live-profile_get_values-nosuchprofile": ("profile_get_values", {"profile": "nosuchprofile"}),
    "live-profile_get_size-tenant": ("profile_get_size", {"profile": "tenant"}),
    "live-profile_get_size-tenant-acme": (
        "profile_get_size",
        {"profile": "tenant", "value": "acme.ntek.clusterpbx.example"},
    ),
    "live-profile_get_size-tenant-unknown-value": (
        "profile_get_size",
        {"profile": "tenant", "value": "nobody.example.net"},
    ),
    "live-profile_get_size-nosuchprofile": ("profile_get_size", {"profile": "nosuchprofile"}),
    "errors-err-unknown-method": ("no_such_command", []),
    "errors-err-unknown-param-name": ("profile_get_size", {"profil": "tenant"}),
    "errors-err-too-many-params": ("uptime", ["x", "y"]),
    "errors-err-params-is-string": ("uptime", "x"),
}
"""Recording -> the request that it answers; the tenant's domain is ours."""

OPTIONAL: Final = {"live-get_statistics-all", "live-list_statistics", "live-which"}
"""Replies that list what a server happens to have: ours may have fewer, never others."""


def body(method: str, params: object) -> bytes:
    """Return a request body; no parameters are left out, as in the recordings."""
    request: dict[str, object] = {"jsonrpc": "2.0", "id": 1, "method": method}
    return json.dumps(request | ({"params": params} if params != [] else {})).encode()


def recorded(name: str) -> object:
    """Return a recorded reply."""
    return json.loads((RECORDINGS / f"{name}.json").read_text())


def shape(value: object) -> object:
    """Return what a reply is made of: keys in their order, types, and the kinds of a list's items."""
    if isinstance(value, dict):
        return [(key, shape(member)) for key, member in value.items()]
    if isinstance(value, list):
        return ["list of", sorted({repr(shape(item)) for item in value})]
    return type(value).__name__


def differs(name: str, reply: object) -> str:
    """Return how a reply differs from the recording in what a reader relies on; empty if it doesn't."""
    expected = recorded(name)
    assert isinstance(expected, dict)
    assert isinstance(reply, dict)
    if "error" in expected or expected["result"] == {}:
        return "" if reply == expected else f"{reply} is not {expected}"
    if name not in OPTIONAL:
        return "" if shape(reply) == shape(expected) else f"{shape(reply)} is not {shape(expected)}"
    if list(reply) != list(expected):
        return f"members {list(reply)}"
    ours, theirs = reply["result"], expected["result"]
    if isinstance(ours, list):
        return "" if ours and set(ours) <= set(theirs) else f"unknown: {set(ours) - set(theirs)}"
    wrong = {key for key, value in ours.items() if shape(value) != shape(theirs.get(key))}
    return f"unknown or of another type: {sorted(wrong)}" if wrong or not ours else ""
