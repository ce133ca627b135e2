"""A store whose silences are noticed, whoever asks it and however they wait."""

from __future__ import annotations

from typing import Any, cast

from flows.incidents import Incidents
from schemas.errors import StoreUnavailable
from serving.store import Store


class _Noticed:
    def __init__(self, store: Store, incidents: Incidents) -> None:
        self._store, self._incidents = store, incidents

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if not callable(found):
            return found

        def asked(*given: Any, **named: Any) -> Any:
            try:
                answer = found(*given, **named)
            except StoreUnavailable as error:
                self._incidents.away("store", str(error), logged=True)  # by whoever waits for it
                raise
            if self._incidents.is_away("store"):
                self._incidents.back("store", logged=True)
            return answer

        setattr(self, name, asked)
        return asked


def noticed(store: Store, incidents: Incidents) -> Store:
    """Return a store that tells when it does not answer, and when it does again.

    Examples
    --------
    >>> from flows.tally import Tally
    >>> from serving.store import MemoryStore
    >>> noticed(MemoryStore(), Incidents(Tally())).version()
    0
    """
    return cast(Store, _Noticed(store, incidents))
