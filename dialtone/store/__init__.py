"""The store: SQLite on disk, and a twin in memory that passes the same contract."""

from dialtone.store.exclusive import held_alone
from dialtone.store.memory import MemoryStore
from dialtone.store.sqlite import SqliteStore, open_store

__all__ = ["MemoryStore", "SqliteStore", "held_alone", "open_store"]
