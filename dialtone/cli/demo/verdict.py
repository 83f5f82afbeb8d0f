"""What the demo proves, and what is missing when it does not (pure)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dialtone.cli.demo.view import View


@dataclass(frozen=True, slots=True)
class Proof:
    """What was seen over the whole demo.

    `outcomes` are all outcomes by (tenant, flow); `flows` those that each of the `clients` must have
    passed; `webhooks` says of the statuses firing and resolved whether they came.
    """

    view: View | None
    clients: tuple[str, ...]
    flows: tuple[str, ...]
    outcomes: Mapping[tuple[str, str], set[str]]
    webhooks: Mapping[str, bool]

    def missing(self) -> list[str]:
        """Return what speaks against the demo, in words; empty when it proved its point."""
        nodes = self.view.nodes if self.view else ()
        lacks = [f"node {node.name} was not read: {node.detail}" for node in nodes if not node.up]
        if not nodes:
            lacks.append("no node was read")
        for client in self.clients:
            for flow in self.flows:
                seen = self.outcomes.get((client, flow), set())
                if "fail" in seen:
                    lacks.append(f"{flow} failed for {client}")
                elif "pass" not in seen:
                    lacks.append(f"{flow} never passed for {client}")
        lacks += [f"the {status} webhook did not come" for status, came in self.webhooks.items() if not came]
        return lacks

    def summary(self) -> str:
        """Return one line: what was proved, or what was not."""
        lacks = self.missing()
        if lacks:
            more = f" (and {len(lacks) - 3} more)" if len(lacks) > 3 else ""
            return f"demo failed: {'; '.join(lacks[:3])}{more}"
        nodes = len(self.view.nodes) if self.view else 0
        return (
            f"demo passed: {nodes} nodes read, {_listed(self.flows)} of {len(self.clients)} tenants, "
            "alert and all-clear"
        )


def _listed(words: Sequence[str]) -> str:
    *first, last = words or ("nothing",)
    return f"{', '.join(first)} and {last}" if first else last
