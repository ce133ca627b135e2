"""The layout of Redis: every key that Rillrec writes, in one place.

All keys of one model share the prefix ``rillrec:{name}:``; the braces are a Redis Cluster hash tag
per shard (``{name:s07}``), so that a user's state and its shard's marks can be written in one
transaction.

========================================  ======  ==================================================
key                                       type    holds
========================================  ======  ==================================================
``rillrec:{NAME:sNN}:user:USER``          string  one user's state; TTL `user_ttl_s`
``rillrec:{NAME:sNN}:slates:USER``        string  one user's slates; TTL `slates_ttl_s`
``rillrec:{NAME:sNN}:marks``              string  the shard's absorbed positions, msgpack
``rillrec:{NAME:sNN}:dead``               stream  refused events: reason, original bytes, place
``rillrec:{NAME:sNN}:erased``             zset    hash of a forgotten user, until when its events
``rillrec:{NAME:sNN}:audit``              stream  who was forgotten, as a hash; why: which wish
``rillrec:{NAME}:forget_key``             string  the key of these hashes
``rillrec:{NAME}:events``                 stream  the embedded event log, fed by ``Track``
``rillrec:{NAME}:log``                    stream  the model's log: one message per publish
``rillrec:{NAME}:base:VERSION``           string  a base snapshot of one version; the newest three
``rillrec:{NAME}:bases``                  zset    versions of the kept bases
``rillrec:{NAME}:low``                    string  low-water marks: below them all is published
``rillrec:{NAME}:held``                   hash    shard to the marks that it had at a publish
``rillrec:{NAME}:owner``                  string  the lease of the one flow that may write the model
``rillrec:{NAME}:serves``                 string  the model that NAME stands for, if it is another
``rillrec:{NAME}:served``                 string  the model that NAME stood for before
``rillrec:{NAME}:models``                 set     all models that NAME stood for, or may yet
``rillrec:{NAME}:backfill``               string  what a backfill into NAME was started with, JSON
========================================  ======  ==================================================
"""

from __future__ import annotations

from zlib import crc32

SHARDS = 64


def shard_of(user_id: str) -> str:
    """Return the shard that holds a user: ``s00`` to ``s63``, the same in every process."""
    return f"s{crc32(user_id.encode()) % SHARDS:02d}"


def shards() -> list[str]:
    """Return the names of all shards."""
    return [f"s{number:02d}" for number in range(SHARDS)]


class Keys:
    """The keys of one model."""

    def __init__(self, name: str) -> None:
        if not name or not name.replace("-", "").replace("_", "").isalnum() or len(name) > 64:
            raise ValueError(
                f"model name {name!r} is unusable: take letters, digits, '-' and '_', at most 64"
            )
        self.name = name
        self.events = f"rillrec:{{{name}}}:events"
        self.log = f"rillrec:{{{name}}}:log"
        self.base_prefix = f"rillrec:{{{name}}}:base:"
        self.staged = f"{self.base_prefix}staged"
        self.bases = f"rillrec:{{{name}}}:bases"
        self.low = f"rillrec:{{{name}}}:low"
        self.held = f"rillrec:{{{name}}}:held"
        self.forget_key = f"rillrec:{{{name}}}:forget_key"
        self.owner = f"rillrec:{{{name}}}:owner"
        self.serves = f"rillrec:{{{name}}}:serves"
        self.served = f"rillrec:{{{name}}}:served"
        self.models = f"rillrec:{{{name}}}:models"
        self.backfill = f"rillrec:{{{name}}}:backfill"

    def user(self, user_id: str) -> str:
        return f"rillrec:{{{self.name}:{shard_of(user_id)}}}:user:{user_id}"

    def slates(self, user_id: str) -> str:
        return f"rillrec:{{{self.name}:{shard_of(user_id)}}}:slates:{user_id}"

    def marks(self, shard: str) -> str:
        return f"rillrec:{{{self.name}:{shard}}}:marks"

    def dead(self, shard: str) -> str:
        return f"rillrec:{{{self.name}:{shard}}}:dead"

    def erased(self, shard: str) -> str:
        return f"rillrec:{{{self.name}:{shard}}}:erased"

    def audit(self, shard: str) -> str:
        return f"rillrec:{{{self.name}:{shard}}}:audit"

    def base(self, version: int) -> str:
        return f"{self.base_prefix}{version}"
