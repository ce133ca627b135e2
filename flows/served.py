"""The model that a name stands for, looked at while a flow runs."""

from __future__ import annotations

from collections.abc import Callable

from flows.incidents import Incidents
from flows.tally import Tally
from schemas.errors import FlowOutdated, StoreUnavailable

LOOKS_EVERY_MS = 1_000


class Served:
    """Ends a flow's source once its name stands for another model than it learns.

    Parameters
    ----------
    serves
        Returns the model that the name stands for.
    name, model
        The name, and the model that the flow was built for.
    now_ms
        The clock by which it is looked at, about once a second. Threads may share this object:
        more than one of them may then look.
    incidents
        Told when it stands for another.
    """

    def __init__(
        self,
        serves: Callable[[], str],
        *,
        name: str,
        model: str,
        now_ms: Callable[[], int],
        incidents: Incidents | None = None,
    ) -> None:
        self._serves, self._name, self._model, self._now_ms = serves, name, model, now_ms
        self._incidents = incidents or Incidents(Tally())
        self._look_at_ms = 0

    def __call__(self) -> None:
        """Look, where it is time to.

        Raises
        ------
        FlowOutdated
            The name stands for another model.
        """
        now_ms = self._now_ms()
        if now_ms < self._look_at_ms:
            return
        self._look_at_ms = now_ms + LOOKS_EVERY_MS
        try:
            model = self._serves()
        except StoreUnavailable:
            return  # whoever needs the store waits for it, and says so
        if model != self._model:
            text = f"{self._name!r} stands for {model!r} now, and no more for {self._model!r}"
            self._incidents.note("model_switched", text, model=model, former=self._model)
            raise FlowOutdated(f"{text}: going over to it")
