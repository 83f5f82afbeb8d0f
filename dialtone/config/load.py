"""The whole file at once: every section is read, every problem found, and only then something is returned."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from dialtone.config.accounts import read_accounts
from dialtone.config.addresses import is_loopback, listen
from dialtone.config.allowances import overruns
from dialtone.config.credentials import Secrets
from dialtone.config.discover import read_discover
from dialtone.config.document import Document, parse
from dialtone.config.files import FileError, read_text
from dialtone.config.logos import note_languages, read_logos
from dialtone.config.maintenance import read_maintenance
from dialtone.config.nodes import read_nodes
from dialtone.config.objectives import read_objectives
from dialtone.config.probes import outage_note, read_probes
from dialtone.config.problem import ConfigError, Problem, nearest, quote
from dialtone.config.report import Report
from dialtone.config.schema import (
    AccessEntry,
    AlertsEntry,
    CapsEntry,
    EvidenceEntry,
    ReceiverEntry,
    ResultsEntry,
    TokenEntry,
    Top,
)
from dialtone.config.settings import AccessToken, Caps, EvidenceLimits, Receiver, ResultLimits, Settings
from dialtone.config.tenants import read_tree
from dialtone.config.topologies import read_topologies
from dialtone.config.tree import TenantTree
from dialtone.config.values import DAY
from dialtone.model import AccessRole, Secret

MAX_BYTES: Final = 1 << 20

_TOKEN_LENGTH: Final = 16


def load(path: Path, *, environ: Mapping[str, str] | None = None) -> Settings:
    """Return what the file at `path` says. Relative paths in it start from its own folder.

    `environ` is where {env: NAME} looks, the process's environment unless given. Raises ConfigError,
    and nothing else, with every problem found.
    """
    source = path.absolute()
    try:
        text = read_text(source, MAX_BYTES)
    except (FileError, ValueError) as error:
        # ValueError: a path with a NUL in it.
        raise ConfigError(path, [Problem("", None, str(error))]) from None
    document, problems = parse(text, begin="`location:` and `platform:`")
    if document is None:
        raise ConfigError(path, problems)
    report = Report(document)
    settings = _settings(report, document, source, os.environ if environ is None else environ)
    if problems or report.problems or settings is None:
        raise ConfigError(path, [*problems, *report.problems])
    return settings


def _settings(
    report: Report, document: Document, source: Path, environ: Mapping[str, str]
) -> Settings | None:
    """Read every section, whether or not the others are right; None where the file's own keys are not.

    References into a section that has problems of its own are not judged: they would only repeat them.
    """
    data, folder = document.data, source.parent
    secrets = Secrets(report, folder, environ)
    top = report.take(Top, data, ())
    tree = read_tree(report, data.get("platform"), data.get("tenants", []))
    before = len(report.problems)
    nodes, heartbeats = read_nodes(report, data.get("nodes"), secrets, folder)
    whole = len(report.problems) == before
    discover = read_discover(report, data.get("discover"), nodes if whole else None, secrets)
    given = data.get("topologies")
    topologies, queries = read_topologies(report, given, nodes if whole else None, tree, secrets)
    accounts = read_accounts(report, data.get("accounts"), folder, tree)
    before = len(report.problems)
    probes = read_probes(report, data.get("probes"), accounts, tree, folder)
    judged = (probes if len(report.problems) == before else None, nodes if whole else None)
    objectives = read_objectives(report, data.get("objectives"), tree, *judged)
    maintenance = read_maintenance(report, data.get("maintenance"), tree)
    logos = read_logos(report, data.get("platform"), data.get("tenants"), tree, folder)
    if tree is not None:
        note_languages(report, tree)
        for note in overruns(objectives, maintenance, tree):
            report.note(note)
    caps = _caps(report, data.get("caps"))
    if (outage := outage_note(probes, caps)) is not None:
        report.note(outage)
    evidence = _evidence(report, data.get("evidence"))
    results = _results(report, data.get("results"))
    receivers, rules = _alerts(report, data.get("alerts"), folder)
    tokens = _tokens(report, data.get("access"), tree, secrets)
    _check_exposure(report, data)
    if top is None:
        return None
    place = folder / top.data
    if os.path.exists(place) and not os.path.isdir(place):  # noqa: PTH110, PTH112 - Path's raise for odd names
        report.problem(("data",), f"{place} is not a folder; name one, it is made if need be")
    if not nodes and not probes:
        report.note("there are no nodes and no probes: nothing is watched")
    if tree is None:
        return None
    return Settings(
        source, top.location, place, top.listen, tree, nodes, topologies, accounts, probes, caps,
        receivers, rules, tokens, top.external_url, tuple(report.notes), evidence, discover,
        queries, heartbeats, objectives, maintenance, logos, results,
    )  # fmt: skip


def _check_exposure(report: Report, data: Mapping[str, object]) -> None:
    try:
        host = listen(data["listen"]).host
    except (KeyError, ValueError):
        return  # the default is safe, and what can't be read is a problem already
    if not is_loopback(host) and not data.get("access"):
        report.problem(
            ("listen",),
            f"{host} can be reached by others, and there are no `access:` tokens; add some, "
            "or listen on 127.0.0.1",
        )


def _caps(report: Report, raw: object) -> Caps:
    entry = report.take(CapsEntry, raw, ("caps",)) if isinstance(raw, dict) else None
    return Caps(entry.series, entry.calls_per_second, entry.concurrent_calls) if entry else Caps()


def _evidence(report: Report, raw: object) -> EvidenceLimits:
    entry = report.take(EvidenceEntry, raw, ("evidence",)) if isinstance(raw, dict) else None
    if entry is None:
        return EvidenceLimits()
    if entry.keep_failures < entry.keep:
        report.problem(
            ("evidence", "keep_failures" if "keep_failures" in entry.model_fields_set else "keep"),
            f"failures must be kept as long as passes at least: keep_failures is "
            f"{entry.keep_failures / DAY:g}d, keep {entry.keep / DAY:g}d",
        )
    return EvidenceLimits(entry.keep, entry.keep_failures, entry.every, entry.max_size)


def _results(report: Report, raw: object) -> ResultLimits:
    entry = report.take(ResultsEntry, raw, ("results",)) if isinstance(raw, dict) else None
    return ResultLimits(entry.keep, entry.most, entry.hours) if entry else ResultLimits()


def _alerts(report: Report, raw: object, folder: Path) -> tuple[tuple[Receiver, ...], Path | None]:
    """Return who is told, and where the operator's own rules are."""
    if not isinstance(raw, dict):
        return (), None
    alerts = report.take(AlertsEntry, raw, ("alerts",))
    found: dict[str, Receiver] = {}
    for where, item in report.entries(raw.get("receivers"), ("alerts", "receivers")):
        entry = report.take(ReceiverEntry, item, where)
        if entry is None:
            continue
        if entry.name in found:
            report.problem((*where, "name"), f"{entry.name} is the name of another receiver already")
        found[entry.name] = Receiver(entry.name, Secret(entry.url))
    if alerts is None or alerts.rules is None:
        return tuple(found.values()), None
    rules = folder / alerts.rules
    try:
        read_text(rules, MAX_BYTES)
    except FileError as error:
        report.problem(("alerts", "rules"), f"the file {rules} {error}")
    return tuple(found.values()), rules


def _tokens(
    report: Report, raw: object, tree: TenantTree | None, secrets: Secrets
) -> tuple[AccessToken, ...]:
    if not isinstance(raw, dict):
        return ()
    access = report.take(AccessEntry, raw, ("access",))
    if access is not None and not access.tokens:
        report.problem(("access", "tokens"), "is empty; add {name: ..., scope: DOMAIN, token: {file: PATH}}")
    found: dict[str, AccessToken] = {}
    for where, item in report.entries(raw.get("tokens"), ("access", "tokens")):
        entry = report.take(TokenEntry, item, where)
        if entry is None:
            continue
        if tree is not None and entry.scope not in tree:
            known = nearest(entry.scope, tree.domains) or f"; for everything write {tree.platform.domain}"
            report.problem((*where, "scope"), f"{quote(entry.scope)} is not a configured tenant{known}")
        token = secrets.read(entry.token, (*where, "token"))
        if token is None:
            continue
        if len(token.reveal()) < _TOKEN_LENGTH:
            report.problem(
                (*where, "token"), f"is too short to be safe; use {_TOKEN_LENGTH} characters or more"
            )
        if entry.name in found:
            report.problem((*where, "name"), f"{entry.name} is the name of another token already")
        elif any(token == other.token for other in found.values()):
            report.problem(
                (*where, "token"), "is the same as another token; each person or program has its own"
            )
        found[entry.name] = AccessToken(entry.name, entry.scope, token, AccessRole(entry.role))
    return tuple(found.values())
