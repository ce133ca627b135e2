"""What is kept of the users that a shard works on, in front of the store."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Generic, TypeVar

from flows.batches import Receipt
from flows.patience import patiently

Kept = TypeVar("Kept")


class UserCache(Generic[Kept]):
    """The states of the users seen last, read from the store where they are missing.

    A state stays at least until it has been stored: a read would find an older one. So the cache
    holds ``bound`` users, or those of all batches on their way to the store if these are more.

    Parameters
    ----------
    read
        Returns the states of those users who have one.
    bound
        Users that are kept.
    count
        Is told how many users were ``cached``, ``stored`` or ``new``.
    """

    def __init__(
        self,
        read: Callable[[Sequence[str]], Mapping[str, Kept]],
        *,
        bound: int,
        count: Callable[[str, int], None],
    ) -> None:
        if bound < 1:
            raise ValueError(f"bound is {bound}, it must be at least 1")
        self._read, self._bound, self._count = read, bound, count
        self._states: OrderedDict[str, Kept | None] = OrderedDict()
        self._unstored: deque[tuple[Receipt, int]] = deque()

    def __len__(self) -> int:
        return len(self._states)

    def load(self, user_ids: Set[str]) -> None:
        """Have these users at hand, by one read for all that are missing."""
        self._shrink()
        states = self._states
        missing = [user_id for user_id in user_ids if user_id not in states]
        self._count("cached", len(user_ids) - len(missing))
        if not missing:
            return
        found = patiently(lambda: self._read(missing))
        for user_id in missing:
            states[user_id] = found.get(user_id)
            states.move_to_end(user_id, last=False)
        self._count("stored", len(found))
        self._count("new", len(missing) - len(found))

    def get(self, user_id: str) -> Kept | None:
        """Return the state of a user who was loaded, ``None`` for one without a state."""
        return self._states[user_id]

    def put(self, user_id: str, state: Kept | None) -> None:
        """Take over a newer state, or that there is none any more."""
        self._states[user_id] = state
        self._states.move_to_end(user_id)

    def handed_on(self, receipt: Receipt, users: int) -> None:
        """Note that so many users were put, and are safe to drop once the receipt says so."""
        self._unstored.append((receipt, users))

    def _shrink(self) -> None:
        while self._unstored and self._unstored[0][0].stored:
            self._unstored.popleft()
        # What was read stands first and what was put stands last, in the order in which it was put:
        # those on their way to the store are the last ones.
        kept = max(self._bound, sum(users for _, users in self._unstored))
        while len(self._states) > kept:
            self._states.popitem(last=False)
