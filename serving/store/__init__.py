"""Where state outlives a process: users, the model's log, the embedded event log, dead letters."""

from serving.store.memory import MemoryStore
from serving.store.protocol import Store
from serving.store.records import Audited, DeadLetter, Erasure, ShardWrite
from serving.store.redis import RedisStore

__all__ = [
    "Audited",
    "DeadLetter",
    "Erasure",
    "MemoryStore",
    "RedisStore",
    "ShardWrite",
    "Store",
]
