"""The guide to SLA over HTTP names what there is, and nothing else."""

import re
from pathlib import Path

from fastapi.routing import iter_route_contexts

from dialtone.export.sla import SLA_METRICS
from dialtone.web import create_app
from tests.unit.web.cast import context

GUIDE = (Path(__file__).parents[3] / "docs" / "sla-api.md").read_text()


def test_the_guide_names_every_metric_of_sla() -> None:
    assert set(re.findall(r"`(dialtone_sla_\w+)`", GUIDE)) == {one.name for one in SLA_METRICS}


async def test_the_guide_names_every_route_of_sla() -> None:
    routes = {
        f"{method} {str(route.path).removeprefix('/api/v1')}"
        for route in iter_route_contexts(create_app(await context()).router.routes)
        for method in route.methods or ()
    }
    about = r"/(?:sla|statements|closings|timings|maintenance|corrections)"
    told = set(re.findall(r"^\| `([A-Z]+ /[^`]+)` \|", GUIDE, re.MULTILINE))
    assert told == {route for route in routes if re.fullmatch(rf"[A-Z]+ {about}(?:/.*)?", route)}
