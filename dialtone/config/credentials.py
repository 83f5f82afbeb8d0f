"""Secrets by reference, for every section that has some."""

from collections.abc import Mapping
from pathlib import Path

from dialtone.config.files import FileError, SecretRef, read_secret
from dialtone.config.problem import Where
from dialtone.config.report import Report
from dialtone.model import Secret


class Secrets:
    """Reads secrets by reference, noting what is wrong with one at the place that refers to it."""

    def __init__(self, report: Report, folder: Path, environ: Mapping[str, str]) -> None:
        self._report, self._folder, self._environ = report, folder, environ

    def read(self, ref: SecretRef, where: Where) -> Secret | None:
        """Return the secret, or None with the problem noted."""
        try:
            return read_secret(ref, self._folder, self._environ)
        except FileError as error:
            self._report.problem(where, str(error))
            return None
