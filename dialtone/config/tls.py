"""`tls:` of a probe or a node -> whom it trusts."""

import ssl
from pathlib import Path

from dialtone.config.problem import Where
from dialtone.config.report import Report
from dialtone.config.schema import TlsEntry
from dialtone.model import TlsPlan


def read_tls(report: Report, where: Where, raw: object, folder: Path) -> TlsPlan:
    """Return what is written there; None is what holds without it. A relative path starts from `folder`."""
    given = report.take(TlsEntry, raw, where) if raw is not None else None
    if given is None:
        return TlsPlan()
    if not given.verify and (given.ca or given.name):
        report.problem(
            (*where, "verify"), "false trusts anybody: `ca` and `name` mean nothing then; keep one of them"
        )
    if given.ca is None:
        return TlsPlan(None, given.name, given.verify)
    path = folder / given.ca
    try:
        ssl.create_default_context(cafile=str(path))
    except ssl.SSLError:
        report.problem((*where, "ca"), f"the file {path} holds no certificates in PEM")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        report.problem((*where, "ca"), f"the file {path} can't be read: {why}")
    return TlsPlan(str(path.absolute()), given.name, given.verify)
