"""What a service measures, in the words of its client."""

from collections.abc import Iterable
from functools import partial
from typing import Final

from babel import Locale
from babel.numbers import format_decimal

from dialtone.model import EvidenceKind, Flow, Measure, Objective, Sli, WeekSpan
from dialtone.sla.statements.dates import weekday_names
from dialtone.sla.statements.language import Language
from dialtone.sla.statements.numbers import LEAST_DIGITS
from dialtone.sla.statements.plain import plain, shortened

N_ = partial(str)
"""Marks a text that is translated where it is used."""

FLOWS: Final = {
    Flow.OPTIONS: N_("reachability"),
    Flow.REGISTER: N_("registration"),
    Flow.CALL: N_("calls"),
    Flow.PRESENCE: N_("presence"),
    Flow.BLIND_TRANSFER: N_("blind transfer"),
    Flow.ATTENDED_TRANSFER: N_("attended transfer"),
    Flow.HTTP: N_("web"),
}

TIMED: Final = {
    "rrd": N_("Registration delay"),
    "srd": N_("Call setup delay"),
    "sdd": N_("Disconnect delay"),
    "sdt": N_("Call duration"),
    "pdd": N_("Post-dial delay"),
    "options_delay": N_("Delay of the answer to OPTIONS"),
    "binding_delay": N_("Binding delay"),
    "presence_delay": N_("Presence delay"),
    "transfer_delay": N_("Transfer delay"),
    "notify_delay": N_("Notification delay"),
    "http_first_byte": N_("Time to first byte"),
    "http_duration": N_("Web request duration"),
}


def flow_names(flows: Iterable[Flow], language: Language) -> str:
    """Return flows by name."""
    return ", ".join(language.gettext(FLOWS[flow]) for flow in flows)


def about(objective: Objective, language: Language) -> tuple[str, ...]:
    """Return what a service measures, over which period and when: a line each."""
    _ = language.gettext
    lines = [_measured(objective, language)]
    if objective.evidence is EvidenceKind.EITHER:
        lines.append(_("Your own traffic counts too: it may add bad time, never remove it."))
    if objective.rolling:
        lines.append(
            language.ngettext(
                "Period: {count} day", "Period: the last {count} days", objective.rolling
            ).format(count=objective.rolling)
        )
    if objective.hours:
        lines.append(_("Hours of service: {hours}").format(hours=hours_of(objective.hours, language)))
    return tuple(shortened(line) for line in lines)


def hours_of(hours: Iterable[WeekSpan], language: Language) -> str:
    """Return hours of the week in words: `Mon-Fri 08:00-18:00`."""
    names = weekday_names(language.locale)
    return "; ".join(
        f"{_days(sorted(span.days), names)} {_clock(span.start)}–{_clock(span.end)}" for span in hours
    )


def _measured(objective: Objective, language: Language) -> str:
    _ = language.gettext
    measure, flows = objective.measure, flow_names(objective.flows, language)
    if objective.evidence is EvidenceKind.PASSIVE:
        return _passive(objective.passive or measure, language)
    if objective.sli is Sli.LATENCY:
        timing = _(TIMED[measure.timing]) if measure.timing in TIMED else plain(measure.timing)
        return _("{timing} of at most {threshold} s in tests of: {flows}").format(
            timing=timing, threshold=_number(measure.threshold, language.locale), flows=flows
        )
    if objective.sli is Sli.MOS:
        return _("Voice quality (MOS) of at least {threshold} in tests of: {flows}").format(
            threshold=_number(measure.threshold, language.locale), flows=flows
        )
    return _("Availability in tests of: {flows}").format(flows=flows)


def _passive(measure: Measure, language: Language) -> str:
    _ = language.gettext
    parts = []
    if measure.threshold is not None:
        parts.append(
            _("effective calls (SEER) of at least {share}").format(share=_share(measure.threshold, language))
        )
    if measure.other is not None:
        parts.append(
            _("ineffective calls (ISA) of at most {share}").format(share=_share(measure.other, language))
        )
    return _("Your own traffic: {limits}").format(limits=", ".join(parts))


def _share(value: float, language: Language) -> str:
    shape = language.locale.percent_formats[None].pattern.replace("#,##0", "#,##0." + "#" * LEAST_DIGITS)
    return format_decimal(value, shape, language.locale)


def _number(value: float | None, locale: Locale) -> str:
    return "–" if value is None else format_decimal(value, "#,##0.###", locale)


def _days(days: list[int], names: tuple[str, ...]) -> str:
    if len(days) > 2 and days[-1] - days[0] == len(days) - 1:
        return f"{names[days[0]]}–{names[days[-1]]}"
    return ", ".join(names[day] for day in days)


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
