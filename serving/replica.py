"""A model that follows its log: load the newest base, apply what came after it, and so on."""

from __future__ import annotations

from dataclasses import dataclass

from online_models.state import ModelState
from schemas.errors import ModelLogBroken, ModelMissing
from schemas.model_config import ModelConfig
from schemas.model_log import Publish
from serving.store.protocol import Store

FETCHED_AT_ONCE = 20  # a publish of a busy stream has a megabyte or two
_RELOADS = 3


@dataclass(frozen=True, slots=True)
class Update:
    """What brings a replica forward: publishes that follow its state, or a state to replace it."""

    publishes: tuple[Publish, ...] = ()
    fresh: ModelState | None = None
    newest: Publish | None = None
    """The publish that ``fresh`` read last, if it was more than a base."""


class Replica:
    """One model's state, kept equal to its log in a store.

    Fetching and applying are apart, so that a server may fetch in a thread of its own and apply
    between two requests: ``fetch`` reads the store and decodes, without touching ``state``;
    ``apply`` touches nothing else. One thread at a time may do each, and never both at once.

    Parameters
    ----------
    store
        Where the log is.
    serve_only
        Leave out what only the learner needs.
    config
        The shapes of a model that nothing has been published of. A log brings its own.
    """

    def __init__(
        self, store: Store, *, serve_only: bool = False, config: ModelConfig | None = None
    ) -> None:
        self.store = store
        self.serve_only = serve_only
        self.state = self._empty(config)
        self._config = config
        self._last: Publish | None = None
        self._broken = False
        self._doubtful = False

    @property
    def version(self) -> int:
        """The version of the state, 0 where nothing has been published yet."""
        return self.state.progress.version

    def refresh(self, *, block_ms: int = 0) -> int:
        """Fetch and apply once; return the number of versions that this went forward.

        Call it until it returns 0 to be level with the log.

        Raises
        ------
        ModelLogBroken
            Entries are missing that no base makes up for, or don't fit.
        ModelMissing
            The store holds no model any more.
        StoreUnavailable, StoreError
            As the store does.
        """
        return self.apply(self.fetch(block_ms=block_ms))

    def doubt(self) -> None:
        """Compare with the log before going on: the store was away, and may have lost writes."""
        self._doubtful = True

    def fetch(self, *, block_ms: int = 0) -> Update:
        """Return what to apply next; waits up to ``block_ms`` for news. Raises as ``refresh``."""
        if self._broken or (self._doubtful and not self._agrees()):
            return self._reloaded()
        if self.version == 0 and (newest := self.store.version()) > 0:
            update = self._reloaded()
            if update.fresh is None:
                self.store.read_log(newest, block_ms=block_ms, count=1)
            return update
        publishes = self.store.read_log(self.version, block_ms=block_ms, count=FETCHED_AT_ONCE)
        if publishes:
            following = _unbroken(publishes, self.version) if self.version else ()
            # A log begins with a base, which says what shapes the model has.
            return Update(following) if following else self._reloaded()
        newest = self.store.version()
        # Ahead of the log: it was rolled back. Behind it: entries are gone, a base has them. One
        # that was published since the read shows up in the next one.
        if newest < self.version or (newest > self.version and not self._follows(newest)):
            return self._reloaded()
        return Update()

    def apply(self, update: Update) -> int:
        """Take an update over. If it fails half way, the next fetch starts from a base."""
        before = self.version
        if update.fresh is not None:
            self.state, self._last = update.fresh, update.newest
            self._broken = self._doubtful = False
        try:
            for publish in update.publishes:
                self.state.apply_publish(publish)
                self._last = publish
        except BaseException:
            self._broken = True
            raise
        return self.version - before

    @property
    def usable(self) -> bool:
        """Whether the state is whole: no update has failed half way."""
        return not self._broken

    def _follows(self, newest: int) -> bool:
        following = self.store.read_log(self.version, count=1)
        return bool(following) and following[0].progress.version == self.version + 1

    def _agrees(self) -> bool:
        """Return whether the log's entry of our version is the one that we applied."""
        if self.version:
            kept = self.store.read_log(self.version - 1, count=1)
            if not kept or kept[0] != self._last:
                return False
        self._doubtful = False
        return True

    def _reloaded(self) -> Update:
        """Return a state of its own, built from the newest base and all that follows it."""
        for _ in range(_RELOADS):
            state = self._empty(self._config)
            base = self.store.newest_base()
            if base is not None:
                state.apply_publish(base)
            elif self._config is None and self.version == 0 and self._begins():
                return Update()  # the base that a log begins with comes just behind its first entry
            newest, whole = self._follow(state)
            if whole:
                return Update(fresh=state, newest=newest)
            # The hole may be one that a newer base has closed meanwhile.
        raise ModelLogBroken(
            f"the log lacks version {state.progress.version + 1}, and no base makes up for it: "
            "replay the source into a model of another name, and serve that"
        )

    def _begins(self) -> bool:
        """Return whether the log has its first entry still, if it has any."""
        first = self.store.read_log(0, count=1)
        return not first or first[0].progress.version == 1

    def _follow(self, state: ModelState) -> tuple[Publish | None, bool]:
        """Bring a state level with the log; return what it read last, and whether all was there."""
        newest: Publish | None = None
        while publishes := self.store.read_log(state.progress.version, count=FETCHED_AT_ONCE):
            following = _unbroken(publishes, state.progress.version)
            if not following:
                return newest, False
            for newest in following:
                state.apply_publish(newest)
        if state.progress.version == 0 and self.version:
            raise ModelMissing(
                f"the store holds no model any more, this replica has version {self.version}: "
                "has Redis lost its data? Replay the source"
            )
        return newest, True

    def _empty(self, config: ModelConfig | None) -> ModelState:
        return ModelState(config, serve_only=self.serve_only)


def _unbroken(publishes: list[Publish], after: int) -> tuple[Publish, ...]:
    """Return the publishes that follow a version without a hole."""
    following = []
    for publish in publishes:
        if publish.progress.version != after + 1:
            break
        following.append(publish)
        after += 1
    return tuple(following)
