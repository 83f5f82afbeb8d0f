"""The generated dashboards are current, complete and ask only for what is exported."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from dashboards.build import GENERATED, DashboardError, build, expressions, render, write
from dashboards.promql import asked
from dialtone.model import Catalog
from tests.unit.dashboards.catalogue import whole_catalogue

SCHEMA_VERSION: Final = 41
"""Of Grafana 11.6's dashboards."""

PANEL_TYPES: Final = {"row", "stat", "timeseries", "state-timeline", "table"}


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return whole_catalogue()


@pytest.fixture(scope="module")
def overview(catalog: Catalog) -> dict[str, Any]:
    """Return the platform overview as Grafana reads it."""
    found: dict[str, Any] = json.loads(render(catalog)["platform-overview.json"])
    return found


def panels(dashboard: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield from (panel for panel in dashboard["panels"] if panel["type"] != "row")


def test_the_committed_files_are_what_the_code_builds_now(catalog: Catalog) -> None:
    texts = render(catalog)

    assert {path.name for path in GENERATED.iterdir()} == set(texts)
    for name, text in texts.items():
        committed = (GENERATED / name).read_text(encoding="utf-8")
        assert committed == text, f"{name} is stale: run `python -m tests.unit.dashboards.regenerate`"


def test_building_twice_gives_the_same_text(catalog: Catalog) -> None:
    assert render(catalog) == render(catalog)


def test_writing_removes_what_is_no_dashboard_any_more(catalog: Catalog, tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text("{}")
    (tmp_path / "README.md").write_text("kept")

    written = write(catalog, tmp_path)

    assert written == [tmp_path / "platform-overview.json"]
    assert {path.name for path in tmp_path.iterdir()} == {"platform-overview.json", "README.md"}


@pytest.mark.parametrize(
    ("gone", "where"),
    [
        ("dialtone_up", "panel 'Nodes down'"),
        ("dialtone_probe_success", "panel 'Tenants failing'"),
        ("dialtone_probe_srd_seconds", "panel 'Session request delay"),
        ("mysql_replication_sql_running", "panel 'Replication threads'"),
    ],
)
def test_a_panel_that_names_a_metric_nobody_exports_is_refused(
    catalog: Catalog, gone: str, where: str
) -> None:
    without = Catalog([metric for metric in catalog if metric.name != gone])

    with pytest.raises(DashboardError, match=f"platform-overview: {where}.*no metric is called '{gone}"):
        build(without)


def test_every_panel_says_what_it_shows_and_in_which_unit(overview: dict[str, Any]) -> None:
    for panel in panels(overview):
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in {"short", "s", "percentunit"}, panel["title"]


def test_seconds_are_shown_as_seconds(overview: dict[str, Any]) -> None:
    for panel in panels(overview):
        seconds = {"_seconds" in target["expr"] for target in panel["targets"]}
        assert seconds == {panel["fieldConfig"]["defaults"]["unit"] == "s"}, panel["title"]


def test_every_ratio_is_a_share_and_leaves_out_what_has_no_denominator(overview: dict[str, Any]) -> None:
    shares = [
        panel for panel in panels(overview) if panel["fieldConfig"]["defaults"]["unit"] == "percentunit"
    ]
    abbreviations = [re.search(r"\((\w+)\)", panel["title"]) for panel in shares]
    assert [found[1] for found in abbreviations if found] == ["SER", "SEER", "SCR", "ISA", "IRA"]
    for panel in shares:
        [target] = panel["targets"]
        assert re.search(r"/ \(\(.*\) > 0\)$", target["expr"]), panel["title"]


def test_every_query_goes_to_the_chosen_prometheus(overview: dict[str, Any]) -> None:
    for panel in panels(overview):
        assert panel["targets"]
        for asking in (panel, *panel["targets"]):
            assert asking["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


def test_queries_of_a_panel_have_their_own_letters(overview: dict[str, Any]) -> None:
    for panel in panels(overview):
        letters = [target["refId"] for target in panel["targets"]]
        assert len(set(letters)) == len(letters)


def test_whatever_knows_tenants_can_be_narrowed_to_one(catalog: Catalog) -> None:
    for dashboard in build(catalog).values():
        for title, expr in expressions(dashboard):
            if re.search(r"_tenant_|_probe_|dialtone_alerts", expr):
                assert 'tenant=~"$tenant' in expr, title


def test_legends_name_only_labels_that_the_query_keeps(overview: dict[str, Any], catalog: Catalog) -> None:
    for panel in panels(overview):
        for target in panel["targets"]:
            expr = target["expr"]
            named = set(re.findall(r"\{\{(\w+)\}\}", target.get("legendFormat", "")))
            if kept := re.search(r"\bby \(([^)]*)\)", expr):
                assert named <= set(kept[1].split(", ")), panel["title"]
            elif named:
                (metric,) = asked(expr).names
                assert named <= set(catalog[metric].labels), panel["title"]


def test_the_dashboard_is_whole_for_grafana(overview: dict[str, Any]) -> None:
    assert overview["uid"] == "dialtone-platform-overview"
    assert overview["schemaVersion"] == SCHEMA_VERSION
    assert "id" not in overview, "an id belongs to one Grafana"
    assert {panel["type"] for panel in overview["panels"]} == PANEL_TYPES
    ids = [panel["id"] for panel in overview["panels"]]
    assert ids == list(range(1, len(ids) + 1))
    variables = {variable["name"]: variable for variable in overview["templating"]["list"]}
    assert list(variables) == ["datasource", "reseller", "tenant"]
    assert (
        variables["tenant"]["query"] == 'label_values(dialtone_probe_success{reseller=~"$reseller"}, tenant)'
    )


def test_panels_fill_the_grid_without_overlap(overview: dict[str, Any]) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in overview["panels"]:
        place = panel["gridPos"]
        cells = {
            (place["x"] + column, place["y"] + row)
            for column in range(place["w"])
            for row in range(place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
    assert len(taken) == 24 * (1 + max(y for _, y in taken))
