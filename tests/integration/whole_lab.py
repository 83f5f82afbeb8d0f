"""A whole lab for a test module, and configurations for it."""

import asyncio
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from lab import lab
from lab.state import LabState
from tests.integration.service import write_private


@contextmanager
def running_lab(prefix: str, root: Path) -> Iterator[LabState]:
    """Run a lab of this process's own for the time of the block."""
    name = f"{prefix}-{os.getpid()}"
    state = asyncio.run(lab.up(name, root=root))
    try:
        yield state
    finally:
        asyncio.run(lab.down(name, root=root))


def document_of(platform: LabState) -> dict[str, Any]:
    """Return the lab's configuration, to be changed."""
    document: dict[str, Any] = yaml.safe_load(platform.config.read_text())
    return document


def put_config(platform: LabState, folder: Path, document: dict[str, Any]) -> Path:
    """Write a configuration with the lab's accounts and secrets beside it; return its path."""
    shutil.copytree(platform.root / "secrets", folder / "secrets")
    write_private(folder / "accounts.csv", (platform.root / "accounts.csv").read_text())
    return write_private(folder / "dialtone.yaml", json.dumps(document))
