"""Forgetting a user in the other models of a name: those that were served, or may be yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial

from flows.patience import patiently
from serving.store import ShardWrite, Store

_OWNER = "forgetting"
_TTL_MS = 5_000


class Elsewhere:
    """Deletes users from the models that nobody writes at present.

    A model that a flow or a backfill writes is left to that, which reads the wish itself. The
    others are taken hold of by their lease meanwhile, so that nobody begins to write them.

    Parameters
    ----------
    models
        Returns the names of all models of the name.
    own
        The one that the flow writes itself.
    store_of
        Returns a store of a model.
    """

    def __init__(
        self, models: Callable[[], set[str]], *, own: str, store_of: Callable[[str], Store]
    ) -> None:
        self._models, self._own, self._store_of = models, own, store_of

    def __call__(self, shard: str, user_ids: Sequence[str]) -> None:
        """Forget users of a shard, however long the store takes to answer."""
        for model in sorted(patiently(self._models) - {self._own}):
            with closing(self._store_of(model)) as store:
                patiently(partial(_forget, store, shard, user_ids))


def _forget(store: Store, shard: str, user_ids: Sequence[str]) -> None:
    token = store.acquire(_OWNER, _TTL_MS)
    if token is None:
        return
    [marks] = store.read_marks([shard])
    store.write_shards([ShardWrite(shard, {}, marks, tuple(user_ids))])
    store.release(token)
