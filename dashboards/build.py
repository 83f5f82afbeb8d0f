"""Builds our Grafana dashboards (schema line 11.6) and holds each of them to the metric catalogue."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard, Panel, RowPanel, VariableModel
from grafana_foundation_sdk.models.prometheus import Dataquery

from dashboards.platform_overview import platform_overview
from dashboards.promql import PromqlError, check
from dialtone.model import Catalog

GENERATED: Final = Path(__file__).parent / "generated"
"""Where the built dashboards are committed, for Grafana's file provisioning."""

_BUILDERS: Final = {"platform-overview": platform_overview}
_LABEL_VALUES: Final = re.compile(r"label_values\((?P<selector>.+), (?P<label>\w+)\)")


class DashboardError(Exception):
    """A dashboard asks for what nobody exports: a mistake in our code. The message names the panel."""


def build(catalog: Catalog) -> dict[str, Dashboard]:
    """Return every dashboard by name. Raises DashboardError when one doesn't fit the catalogue."""
    dashboards = {name: make().build() for name, make in _BUILDERS.items()}
    for name, dashboard in dashboards.items():
        for number, panel in enumerate(dashboard.panels or (), start=1):
            panel.id_val = number
        _check(name, dashboard, catalog)
    return dashboards


def render(catalog: Catalog) -> dict[str, str]:
    """Return every dashboard as the text of its file, by file name. The same catalogue, the same text."""
    return {
        f"{name}.json": json.dumps(dashboard, cls=JSONEncoder, indent=2, sort_keys=True) + "\n"
        for name, dashboard in build(catalog).items()
    }


def write(catalog: Catalog, folder: Path = GENERATED) -> list[Path]:
    """Write every dashboard into the folder, remove the JSON files that are none; return the files."""
    texts = render(catalog)
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.json"):
        if old.name not in texts:
            old.unlink()
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in texts]


def expressions(dashboard: Dashboard) -> Iterator[tuple[str, str]]:
    """Yield (panel title, PromQL) of every query of a dashboard."""
    for panel in _panels(dashboard):
        for target in panel.targets or ():
            if isinstance(target, Dataquery):
                yield panel.title or "", target.expr


def _panels(dashboard: Dashboard) -> Iterator[Panel]:
    for panel in dashboard.panels or ():
        if isinstance(panel, RowPanel):
            yield from panel.panels
        else:
            yield panel


def _check(name: str, dashboard: Dashboard, catalog: Catalog) -> None:
    for title, expr in expressions(dashboard):
        _look_up(f"{name}: panel {title!r}", expr, catalog)
    for variable in _variables(dashboard):
        if not isinstance(variable.query, str) or not (found := _LABEL_VALUES.fullmatch(variable.query)):
            raise DashboardError(f"{name}: variable {variable.name!r} must ask label_values(METRIC, LABEL)")
        _look_up(
            f"{name}: variable {variable.name!r}",
            f"count by ({found['label']}) ({found['selector']})",
            catalog,
        )


def _variables(dashboard: Dashboard) -> Iterator[VariableModel]:
    for variable in dashboard.templating.list_val or ():
        if variable.type_val == "query":
            yield variable


def _look_up(where: str, expr: str, catalog: Catalog) -> None:
    try:
        check(expr, catalog)
    except PromqlError as error:
        raise DashboardError(f"{where}: {error}") from None
