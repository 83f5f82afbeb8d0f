"""What the cast was promised: figures of both clients, and books with what each of them may know."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from typing import Final

from dialtone.model import Closing, Correction, Flow, Maintenance, SliceState
from dialtone.ports import Books
from dialtone.sla.burn import WINDOWS
from dialtone.sla.figures import Account, Burn
from dialtone.sla.statement import Party, Statement
from tests.fakes.alerts import NOON
from tests.fakes.statements import a_statement, an_account, an_incident, an_objective, month_of

PERIOD: Final = "2026-02"

REASONS: Final[Mapping[str, str]] = {
    "clusterpbx.example": "planted: new switch in rack nine",
    "ntek.clusterpbx.example": "planted: proxies of the first reseller",
    "volt.clusterpbx.example": "planted: proxies of the second reseller",
    "acme.ntek.clusterpbx.example": "planted: the bakery moves",
    "zeta.volt.clusterpbx.example": "planted: the clinic moves",
}
"""Of the maintenance and the correction of each tenant."""

AUTHORS: Final[Mapping[str, str]] = {domain: f"author-{number}" for number, domain in enumerate(REASONS)}
CAUSES: Final = {
    "acme.ntek.clusterpbx.example": "timeout: planted, no answer to 101",
    "zeta.volt.clusterpbx.example": "dns: planted, no record",
}
BILLING: Final = Party("billing.example", "Billing Ltd")
"""Who issues the statements; it is named to the clients, and is none of the cast."""


def burns(*fast: int) -> tuple[Burn, ...]:
    """Return the burn rate of every window: 60 in those that are named, 0 in the others."""
    return tuple(Burn(window, Fraction(60 * (window in fast)), 3 * (window in fast)) for window in WINDOWS)


def accounts() -> list[Account]:
    """Return two services of Acme, one of them overspent, and one of Zeta's that was never measured."""
    acme, zeta = CAUSES
    start, _ = month_of("2026-03", "America/Montreal")
    incident = an_incident(start + timedelta(minutes=5), 600, causes=(CAUSES[acme],))
    until = NOON.replace(second=0, microsecond=0)
    overspent = an_account(
        "2026-03",
        objective=an_objective(tenant=acme, service="Calls", target=Fraction("0.9999")),
        incidents=(incident, replace(incident, start=until - timedelta(minutes=3), end=None, bad=180)),
        until=until,
    )
    logins = an_objective(tenant=acme, service="Logins", flows=(Flow.REGISTER,))
    unmeasured = an_account("2026-03", objective=an_objective(tenant=zeta), until=until, unknown={1: 86_400})
    return [
        replace(overspent, burns=burns(300, 3600)),
        replace(an_account("2026-03", objective=logins, until=until), burns=burns()),
        replace(unmeasured, burns=tuple(Burn(window, None, 0) for window in WINDOWS)),
    ]


def statements() -> list[Statement]:
    """Return a month of both clients."""
    return [
        a_statement(
            tenant=Party(domain, f"Statement of client {number}"),
            issuer=BILLING,
            period=PERIOD,
            accounts=(
                an_account(
                    PERIOD,
                    objective=an_objective(tenant=domain),
                    incidents=(an_incident(NOON - timedelta(days=9), causes=(cause,)),),
                ),
            ),
            closing=None,
        )
        for number, (domain, cause) in enumerate(CAUSES.items())
    ]


async def write_books(books: Books) -> None:
    """Put down maintenance and a correction of everybody, and close a month of both clients."""
    for domain, reason in REASONS.items():
        declared = NOON - timedelta(days=9)
        await books.declare(
            Maintenance(
                id=0,
                tenant=domain,
                begins=NOON + timedelta(days=1),
                seconds=3600,
                author=AUTHORS[domain],
                reason=reason,
                declared=declared,
                source="config" if domain == "clusterpbx.example" else "cli",
                name=f"entry-of-{AUTHORS[domain]}",
            )
        )
        await books.correct(
            Correction(
                id=0,
                tenant=domain,
                begins=declared,
                ends=declared + timedelta(minutes=10),
                state=SliceState.EXCLUDED,
                author=AUTHORS[domain],
                reason=reason,
                declared=NOON - timedelta(days=1),
            )
        )
    previous = ""
    for domain, cause in CAUSES.items():
        closing = Closing(
            sequence=0,
            tenant=domain,
            period=PERIOD,
            closed=NOON - timedelta(hours=2),
            author="author-of-closings",
            inputs=f'{{"inputs":"{cause}"}}',
            figures="[]",
            previous=previous,
            hash=f"{len(domain):064x}",
            spans=(month_of(PERIOD, "America/Montreal"),),
        )
        previous = (await books.close(closing)).hash
