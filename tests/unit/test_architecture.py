"""What import-linter can't say: programs of their own are imported in one module each."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("dialtone", "collectors", "synthetic", "sipp_flows", "alerts", "dashboards", "lab")
ONE_MODULE = {
    "sippy": {"synthetic/agents/siplib.py"},
    "locust": set[str](),
    "gevent": set[str](),
    "pyshark": {"synthetic/capture/streams.py"},
}


def imports(module: Path) -> set[str]:
    """Return the top-level packages that a module imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("library", ONE_MODULE)
def test_a_library_is_imported_where_it_belongs_and_nowhere_else(library: str) -> None:
    found = {
        str(module.relative_to(ROOT))
        for package in PACKAGES
        for module in (ROOT / package).rglob("*.py")
        if library in imports(module)
    }
    assert found == ONE_MODULE[library]
