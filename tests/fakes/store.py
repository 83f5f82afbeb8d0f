"""A store whose disk can be full: for what must go on without it."""

from dialtone.ports import StoreError
from dialtone.store import MemoryStore


class BreakableStore(MemoryStore):
    """The real in-memory store; while `broken`, whatever it is asked raises StoreError."""

    def __init__(self) -> None:
        super().__init__()
        self.broken = False

    def _check_open(self) -> None:
        """Raise where it is broken or closed: what MemoryStore asks before anything else."""
        super()._check_open()
        if self.broken:
            raise StoreError("database or disk is full")
