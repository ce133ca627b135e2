"""A name that is moved to another model while the scorer serves it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from schemas.errors import StoreError
from serving.ending import end
from serving.served import READ_TIMEOUT_S, ServedModel

_LOOK_EVERY_S = 1.0
_WAIT_S = 0.05
_LINGER_S = 2 * READ_TIMEOUT_S + 0.5

_log = logging.getLogger(__name__)


class Changeover:
    """Keeps serving the model that a name stands for.

    The name is looked at about once a second. Another model is followed beside the one that is
    served, so for a while both are in memory; once it is level with its log, it takes over at once,
    between two requests. A model that nothing has been published of never does.

    Parameters
    ----------
    name
        The scorer's. It is what is served until it is known that it stands for another model.
    serves
        Returns the model that the name stands for; blocks.
    build
        Returns a model to serve, not started.
    on_change
        Told the model that takes over.

    Attributes
    ----------
    model
        What is served. Take it once for whatever must fit together, and never across an ``await``.
    settled
        Whether what the name stands for has been served yet, or is known to be nothing.
    """

    def __init__(
        self,
        name: str,
        serves: Callable[[], str],
        build: Callable[[str], ServedModel],
        *,
        on_change: Callable[[ServedModel], None],
    ) -> None:
        self.name = name
        self.model = build(name)
        self.settled = False
        self._serves, self._build, self._on_change = serves, build, on_change
        self._next: ServedModel | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None
        self._trouble = ""

    def start(self) -> None:
        """Follow the model, and look after the name, on the running loop."""
        self.model.start()
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Let go of every model."""
        await end(self._task)
        for closing in self._closing:
            closing.cancel()
        await asyncio.gather(*self._closing, return_exceptions=True)
        if self._next is not None:
            await self._next.close()
        await self.model.close()

    async def _run(self) -> None:
        while True:
            try:
                self._go_after(await asyncio.to_thread(self._serves))
                self._tell("")
            except StoreError as error:
                self._tell(str(error))
            except Exception:  # the boundary of the task: what is served goes on being served
                _log.exception("the name can't be looked at, for a reason that nobody foresaw")
            await self._wait()

    async def _wait(self) -> None:
        """Wait until it is time to look again; a model that is ready takes over meanwhile."""
        until_s = asyncio.get_running_loop().time() + _LOOK_EVERY_S
        while (left_s := until_s - asyncio.get_running_loop().time()) > 0:
            waiting = self._next is not None
            await asyncio.sleep(min(_WAIT_S, left_s) if waiting else left_s)
            if self._next is not None and self._next.follower.caught_up:
                if self._next.follower.usable:
                    self._take_over(self._next)
                else:
                    self.settled = True  # there is nothing of it: what is served is all there is

    def _go_after(self, name: str) -> None:
        if self._next is not None and self._next.name != name:
            self._let_go(self._next, linger_s=0.0)
            self._next = None
        if name == self.model.name:
            self.settled = True
        elif self._next is None:
            _log.warning("%r stands for the model %r: loading it", self.name, name)
            self._next = self._build(name)
            self._next.start()

    def _take_over(self, model: ServedModel) -> None:
        former, self.model, self._next = self.model, model, None
        self._on_change(model)
        self.settled = True
        _log.warning("%r is served from the model %r now", self.name, model.name)
        self._let_go(former, linger_s=_LINGER_S)  # requests may be reading from it

    def _let_go(self, model: ServedModel, *, linger_s: float) -> None:
        closing = asyncio.create_task(_close(model, linger_s))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    def _tell(self, trouble: str) -> None:
        """Log that the name can't be looked at, once for as long as it lasts."""
        if trouble and not self._trouble:
            _log.warning("which model %r stands for can't be read: %s", self.name, trouble)
        self._trouble = trouble


async def _close(model: ServedModel, linger_s: float) -> None:
    try:
        await asyncio.sleep(linger_s)
    finally:
        await model.close()
