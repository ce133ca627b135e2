"""The right to write a model, which one flow at a time holds."""

from __future__ import annotations

import logging
import os
import re
import socket
import threading
import time
from collections.abc import Callable

from flows.patience import patiently
from schemas.errors import StoreError
from serving.store import Store

TTL_MS = 10_000
_LOOKS = 20
_OWNER = re.compile(r"flow (\d+) on (.+)")
_log = logging.getLogger(__name__)


def this_process() -> str:
    """Return the owner that a flow in this process acts as."""
    return f"flow {os.getpid()} on {socket.gethostname()}"


def has_ended(owner: str) -> bool:
    """Return whether an owner was a process of this machine that is no more: it was killed."""
    found = _OWNER.fullmatch(owner)
    if found is None or found[2] != socket.gethostname():
        return False
    try:
        os.kill(int(found[1]), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False
    return False


class Lease:
    """Taken when a flow starts to read, and renewed as it goes on. Threads may share it.

    Parameters
    ----------
    owner
        Told to whoever is refused.
    now_ms
        The clock by which the lease is renewed, every third of its 10 s.
    sleep
        How to wait for a lease to run out, in seconds.
    """

    def __init__(
        self,
        store: Store,
        *,
        owner: str,
        now_ms: Callable[[], int],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._store, self._owner, self._now_ms, self._sleep = store, owner, now_ms, sleep
        self._token: str | None = None
        self._renew_at_ms = 0
        self._lock = threading.Lock()

    def hold(self) -> None:
        """Take the lease, or renew it where that is due.

        Raises
        ------
        StoreError
            Another flow holds it, and still did after 10 s.
        """
        now_ms = self._now_ms()
        with self._lock:
            if self._token is None:
                self._take()
            elif now_ms >= self._renew_at_ms:
                patiently(self._renew)
            else:
                return
            self._renew_at_ms = now_ms + TTL_MS // 3

    def _take(self) -> None:
        for look in range(_LOOKS + 1):
            self._token = patiently(self._acquire)
            if self._token is not None:
                return
            if look == 0:
                _log.warning("waiting for %s to let go of the model", self._other())
            self._sleep(TTL_MS / 1000 / _LOOKS)
        raise self._taken()

    def _acquire(self) -> str | None:
        token = self._store.acquire(self._owner, TTL_MS)
        if token is not None:
            return token
        other = self._store.lease_owner()
        if other is None or not has_ended(other):
            return None
        # In the name of the dead, so that of two heirs only one gets hold of it.
        inherited = self._store.acquire(other, TTL_MS)
        if inherited is not None:
            self._store.release(inherited)
        return self._store.acquire(self._owner, TTL_MS)

    def _renew(self) -> None:
        # A lease that ran out while the store was away is there for the taking, unless taken.
        if self._token is None or not self._store.renew(self._token, TTL_MS):
            self._token = self._store.acquire(self._owner, TTL_MS)
        if self._token is None:
            raise self._taken()

    def _taken(self) -> StoreError:
        return StoreError(
            f"{self._other()} learns this model already: stop it, or give this flow another "
            "model.name"
        )

    def _other(self) -> str:
        return patiently(self._store.lease_owner) or "another flow"

    def release(self) -> None:
        """Give the lease back at the end."""
        token, self._token = self._token, None
        if token is not None:
            patiently(lambda: self._store.release(token))
