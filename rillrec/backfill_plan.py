"""What a backfill was started with, kept beside the model that it builds, so that it can go on."""

from __future__ import annotations

import msgspec
from msgspec import Struct, structs

from schemas.errors import SettingsError, StoreError
from schemas.kafka import start_ms
from schemas.keys import Keys, shards
from serving.store import RedisStore
from serving.store.wire import Wire


class Plan(Struct, frozen=True, kw_only=True):
    """One backfill.

    Parameters
    ----------
    name
        The name that the model is to be served under.
    since
        From when on the log is read: ``earliest``, or milliseconds since 1970.
    served
        Whether the name has been moved to the model: from then on it is no backfill any more.
    """

    name: str
    since: str
    served: bool = False


def since_of(said: str) -> str:
    """Return from when on a backfill reads, as plans keep it.

    Raises
    ------
    ValueError
        It is neither ``earliest`` nor a time.

    Examples
    --------
    >>> since_of("2026-01-01"), since_of("earliest")
    ('1767225600000', 'earliest')
    """
    return said if said == "earliest" else str(start_ms(said))


class Plans:
    """Where the plan of the backfill into a model is kept.

    Parameters
    ----------
    wire
        The Redis that holds the models. It is not closed with this.
    into
        The model that is built.
    """

    def __init__(self, wire: Wire, into: str) -> None:
        self._wire, self._key, self._into = wire, Keys(into).backfill, into

    def read(self) -> Plan | None:
        """Return the plan of a backfill into this model, ``None`` where there never was one."""
        raw: bytes | None = self._wire.call("GET", self._key)
        return None if raw is None else msgspec.json.decode(raw, type=Plan)

    def claim(self, plan: Plan, store: RedisStore) -> bool:
        """Keep a plan; return whether it goes on with what was begun already.

        Parameters
        ----------
        store
            Of the model that is built.

        Raises
        ------
        StoreError
            The model is there, and is not what this plan has begun.
        SettingsError
            It was begun from another time, or for another name.
        """
        begun = self.read()
        if begun is None:
            if store.version() or any(store.read_marks(shards())):
                raise StoreError(
                    f"there is a model {self._into!r} already, and no backfill made it: choose "
                    "another name for --into"
                )
            self._wire.call("SET", self._key, msgspec.json.encode(plan))
            return False
        if begun.served:
            raise StoreError(
                f"{self._into!r} was built, and {begun.name!r} has stood for it since: choose "
                "another name for --into"
            )
        if begun != plan:
            raise SettingsError(
                f"a backfill into {self._into!r} was begun with --from {begun.since} and --model "
                f"{begun.name}: say the same to go on, or choose another name for --into"
            )
        return True

    def note_served(self) -> None:
        """Keep that the model is served: nothing is to be built into it any more."""
        plan = self.read()
        if plan is not None:
            served = structs.replace(plan, served=True)
            self._wire.call("SET", self._key, msgspec.json.encode(served))
