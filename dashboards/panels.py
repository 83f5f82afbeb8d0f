"""The kinds of panels that our dashboards are made of, so that all of them look and behave alike.

Sizes are in Grafana's grid units: 24 columns, a row of panels is as high as its highest.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from string import ascii_uppercase
from typing import Final

from grafana_foundation_sdk.builders import common as widgets
from grafana_foundation_sdk.builders import dashboard as building
from grafana_foundation_sdk.builders import prometheus, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common, dashboard
from grafana_foundation_sdk.models.dashboard import Panel
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

DATASOURCE: Final = "datasource"
"""Name of the variable that says which Prometheus is asked."""

_FULL: Final = 24
_STAT_HEIGHT: Final = 4


class Unit(StrEnum):
    """Grafana's names of the units that our metrics come in; NONE is a plain count."""

    NONE = "short"
    SECONDS = "s"
    SHARE = "percentunit"


class Colour(StrEnum):
    """Grafana's names of the colours that say how things stand."""

    GOOD = "green"
    WARNING = "orange"
    BAD = "red"
    PLAIN = "blue"


@dataclass(frozen=True, slots=True)
class Query:
    """One PromQL expression and what its series are called in the legend ({{label}} is filled in)."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class State:
    """How a number reads: 1 as "up" in green."""

    value: int
    text: str
    colour: Colour


@dataclass(frozen=True, slots=True)
class Steps:
    """From which value on a panel changes its colour: (value, colour), in rising order."""

    base: Colour = Colour.PLAIN
    above: tuple[tuple[float, Colour], ...] = ()

    def build(self) -> building.ThresholdsConfig:
        """Return them as Grafana's thresholds; the first step has no lower bound."""
        steps = [dashboard.Threshold(value=None, color=self.base)]
        steps += [dashboard.Threshold(value=value, color=colour) for value, colour in self.above]
        return building.ThresholdsConfig().mode(dashboard.ThresholdsMode.ABSOLUTE).steps(steps)


def number(
    title: str, description: str, query: Query, *, unit: Unit = Unit.NONE, steps: Steps, width: int
) -> Builder[Panel]:
    """Return a panel that shows one figure as it is now."""
    return (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(_datasource())
        .targets([_instant(query)])
        .unit(unit)
        .thresholds(steps.build())
        .color_mode(common.BigValueColorMode.BACKGROUND)
        .graph_mode(common.BigValueGraphMode.NONE)
        .reduce_options(widgets.ReduceDataOptions().calcs(["lastNotNull"]))
        .height(_STAT_HEIGHT)
        .span(width)
    )


def lines(
    title: str,
    description: str,
    queries: Sequence[Query],
    *,
    unit: Unit = Unit.NONE,
    width: int,
    height: int = 8,
) -> Builder[Panel]:
    """Return a panel of curves over time; gaps stay gaps, because unmeasured is not zero."""
    return (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(_datasource())
        .targets([_over_time(query, ref) for query, ref in zip(queries, ascii_uppercase, strict=False)])
        .unit(unit)
        .min(0)
        .span_nulls(False)
        .fill_opacity(8)
        .legend(_legend())
        .tooltip(widgets.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI))
        .height(height)
        .span(width)
    )


def states(
    title: str,
    description: str,
    queries: Sequence[Query],
    *,
    known: Sequence[State],
    width: int,
    height: int = 8,
) -> Builder[Panel]:
    """Return a panel that shows for each series in which state it was when."""
    return (
        statetimeline.Panel()
        .title(title)
        .description(description)
        .datasource(_datasource())
        .targets([_over_time(query, ref) for query, ref in zip(queries, ascii_uppercase, strict=False)])
        .unit(Unit.NONE)
        .mappings([_mapping(known)])
        .show_value(common.VisibilityMode.NEVER)
        .legend(_legend())
        .height(height)
        .span(width)
    )


def matrix(
    title: str,
    description: str,
    query: Query,
    *,
    row: str,
    column: str,
    known: Sequence[State],
    width: int,
    height: int = 8,
) -> Builder[Panel]:
    """Return a table of one label by another, each cell a state as it is now."""
    cells = dashboard.DynamicConfigValue(id_val="custom.cellOptions", value={"type": "color-background"})
    return (
        _table(title, description, query, width, height)
        .mappings([_mapping(known)])
        .transformations(
            [
                dashboard.DataTransformerConfig(
                    id_val="groupingToMatrix",
                    options={
                        "columnField": column,
                        "rowField": row,
                        "valueField": "Value",
                        "emptyValue": "empty",
                    },
                )
            ]
        )
        .override_by_field_type("number", [cells])
    )


def rows(
    title: str,
    description: str,
    query: Query,
    *,
    columns: Sequence[str],
    value: str,
    width: int,
    height: int = 8,
) -> Builder[Panel]:
    """Return a table with a line a series, as it is now: these labels, and the value under its own name."""
    order = [*columns, "Value"]
    return _table(title, description, query, width, height).transformations(
        [
            dashboard.DataTransformerConfig(
                id_val="organize",
                options={
                    "includeByName": dict.fromkeys(order, True),
                    "indexByName": {name: place for place, name in enumerate(order)},
                    "renameByName": {"Value": value},
                },
            )
        ]
    )


def _table(title: str, description: str, query: Query, width: int, height: int) -> table.Panel:
    return (
        table.Panel()
        .title(title)
        .description(description)
        .datasource(_datasource())
        .targets([_instant(query).format(PromQueryFormat.TABLE)])
        .unit(Unit.NONE)
        .height(height)
        .span(width)
    )


def _datasource() -> dashboard.DataSourceRef:
    return dashboard.DataSourceRef(type_val="prometheus", uid=f"${{{DATASOURCE}}}")


def _over_time(query: Query, ref: str) -> prometheus.Dataquery:
    return (
        prometheus.Dataquery()
        .expr(query.expr)
        .legend_format(query.legend)
        .range()
        .ref_id(ref)
        .datasource(_datasource())
    )


def _instant(query: Query) -> prometheus.Dataquery:
    return (
        prometheus.Dataquery()
        .expr(query.expr)
        .legend_format(query.legend)
        .instant()
        .ref_id("A")
        .datasource(_datasource())
    )


def _legend() -> widgets.VizLegendOptions:
    return (
        widgets.VizLegendOptions()
        .display_mode(common.LegendDisplayMode.LIST)
        .placement(common.LegendPlacement.BOTTOM)
        .show_legend(True)
    )


def _mapping(known: Sequence[State]) -> dashboard.ValueMap:
    return dashboard.ValueMap(
        options={
            str(state.value): dashboard.ValueMappingResult(text=state.text, color=state.colour, index=place)
            for place, state in enumerate(known)
        }
    )
