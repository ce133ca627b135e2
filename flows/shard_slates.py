"""The slates of a shard's users, in front of the store; nothing is read where nobody was shown any.

A stream without impressions is to pay nothing for them. So a shard's slates come with a sign, which
is stored like a user's and under an id that no user can have: without it nobody in the shard has
slates. It is written along with every one of them, and so lives as long as the last.
"""

from __future__ import annotations

from collections.abc import Mapping, Set

from flows.batches import Receipt
from flows.forgotten import ledger_id
from flows.patience import patiently
from flows.user_cache import UserCache
from schemas.positions import Marks
from schemas.slates import Slates
from serving.store import Store

LOOK_EVERY = 32


class ShardSlates:
    """Slates by user, and what the published model contains of the labels that they gave.

    Parameters
    ----------
    bound
        Users whose slates are kept in memory, which take 2 kB for each slate of 20 items.

    Attributes
    ----------
    expected
        Whether anybody in the shard may have slates.
    low
        Low-water marks, behind the newest ones on purpose: a store that comes back without its last
        publishes still finds the labels that they contained.
    """

    def __init__(self, store: Store, shard: str, *, bound: int) -> None:
        self._store, self._sign = store, ledger_id(shard)
        self._cache: UserCache[Slates] = UserCache(
            store.read_slates, bound=bound, count=lambda _where, _users: None
        )
        self.expected = bool(patiently(lambda: store.read_slates([self._sign])))
        self.low: Marks = {}
        self._newer_low: Marks = {}
        self._gave = 0

    def load(self, user_ids: Set[str]) -> None:
        """Have the slates of these users at hand."""
        self._cache.load(user_ids)

    def get(self, user_id: str) -> Slates | None:
        """Return the slates of a user who was loaded."""
        return self._cache.get(user_id)

    def put(self, user_id: str, slates: Slates | None) -> None:
        """Take over newer slates, or that there are none any more."""
        self._cache.put(user_id, slates)

    def signed(self, changed: Mapping[str, Slates | None]) -> dict[str, Slates | None]:
        """Return slates to be written, with the sign that there are some."""
        if not any(changed.values()):
            return dict(changed)
        return {**changed, self._sign: Slates(self._sign)}

    def handed_on(self, receipt: Receipt, users: int) -> None:
        """Note that so many users' slates are on their way to the store."""
        self._cache.handed_on(receipt, users)

    def gave(self) -> None:
        """Note that a batch gave labels; at the 32nd look which of them have been published."""
        self._gave += 1
        if self._gave % LOOK_EVERY == 0:
            self.low = self._newer_low
            self._newer_low = patiently(self._store.low_marks)
