"""How the figures were computed, in sentences that hold for this statement."""

from fractions import Fraction

from dialtone.model import EvidenceKind, Sli
from dialtone.sla.statement import Statement
from dialtone.sla.statements.dates import duration, month_span
from dialtone.sla.statements.language import Language
from dialtone.sla.statements.numbers import LEAST_DIGITS, percent
from dialtone.sla.statements.plain import plain
from dialtone.sla.statements.totals import whole_seconds


def method(statement: Statement, language: Language) -> tuple[str, ...]:
    """Return how the figures of a statement were computed, a paragraph each."""
    _ = language.gettext
    goals = [account.objective for account in statement.accounts]
    said = [
        _(
            "Time is cut into slices, each as long as the interval between two scheduled tests. "
            "A slice is good, bad or unknown; availability = good time / (good time + bad time)."
        )
    ]
    if any(one.sli is Sli.AVAILABILITY and one.evidence is not EvidenceKind.PASSIVE for one in goals):
        said.append(
            _(
                "A test that fails is repeated within 10 seconds. A slice is bad when both fail; "
                "when the second one passes, the slice is good."
            )
        )
    if any(one.sli in (Sli.LATENCY, Sli.MOS) for one in goals):
        said.append(
            _(
                "Delay and voice quality are judged test by test, without a repetition: "
                "a slice is good when the value keeps the limit. Delays are those of tests that passed."
            )
        )
    if any(one.evidence is not EvidenceKind.SYNTHETIC for one in goals):
        said.append(
            _(
                "Your own traffic makes a slice bad only where there were enough calls in it "
                "to be sure (95% confidence)."
            )
        )
    said += [
        _(
            "Where several locations test, a slice is bad when more than half of those with a result, "
            "and at least two, find it bad. A service with several flows is bad while any of them is."
        ),
        _(
            "Unknown is what could not be judged: no test ran, or our own equipment was at fault. It counts "
            "neither for nor against; the range beside each figure says what it would be if all unknown time "
            "had been bad, and if all of it had been good. With less than 95% of the time measured, "
            "a figure is provisional."
        ),
        _(
            "Maintenance that was announced beforehand is outside the figures, up to the time agreed on for "
            "each month. “As measured” knows that and nothing else; “corrected” also has what was put right "
            "afterwards. The verdict, the budget, the credit and the incidents go by the corrected figures."
        ),
        _(
            "The verdict is on the time that was measured, the budget is the bad time that the target leaves "
            "of the whole period: where much is unknown, a target may be missed with budget left."
        ),
        _(
            "Percentages are cut off and never rounded up: {exact} is printed as {printed}. "
            "The verdict compares exact numbers of seconds."
        ).format(exact=_example(5, language), printed=_example(LEAST_DIGITS, language)),
        _zone(statement, language),
    ]
    return tuple(said)


def _example(digits: int, language: Language) -> str:
    return percent(Fraction(9994999, 10**7), digits, language.locale)


def _zone(statement: Statement, language: Language) -> str:
    _ = language.gettext
    start, end = month_span(statement.period, statement.zone)
    return _("Days and months are those of the time zone {zone}, where this month has {hours}.").format(
        zone=plain(statement.zone),
        hours=duration(whole_seconds(start, end), language.locale),
    )
