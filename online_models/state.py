"""The model as a state machine: the same entries give the same state, in any process."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from online_models.content import Content
from online_models.contexts import Contexts
from online_models.encoder import Encoder
from online_models.examination import Examination
from online_models.feature_names import CONTENT, prior
from online_models.index import ItemIndex
from online_models.items import ItemTable
from online_models.popularity import Popularity
from online_models.ranker import Ranker
from online_models.rules import Rules
from schemas.errors import ModelLogBroken
from schemas.model_config import ModelConfig
from schemas.model_log import (
    Admit,
    Configure,
    Describe,
    Entry,
    Evict,
    Graph,
    Progress,
    Publish,
    Put,
    Scale,
    Sightings,
    is_base,
)


class ModelState:
    """All that a model knows, in tables that entries of the log write.

    The learner writes the tables in place and collects what changed; a replica applies what was
    collected, and is then equal to the bit.

    Parameters
    ----------
    config
        The shapes; a state that reads a base takes over the base's.
    serve_only
        Leave out what only the learner needs.
    """

    def __init__(self, config: ModelConfig | None = None, *, serve_only: bool = False) -> None:
        self.serve_only = serve_only
        self.progress = Progress()
        self._build(config or ModelConfig())

    def _build(self, config: ModelConfig) -> None:
        self.config = config
        self.items = ItemTable(capacity=config.capacity, admit_after=config.admit_after)
        self.popularity = Popularity(config.popularity_half_lives_ms)
        self.rules = Rules(
            config.rule_half_lives_ms,
            neighbours=config.neighbours,
            scoring_window=config.scoring_window,
        )
        self.contexts = Contexts(config.context_half_life_ms, slots=config.context_slots)
        self.encoder = Encoder(
            config.dimensions, window=config.encoder_window, contexts=config.context_slots + 1
        )
        self.index = ItemIndex(self.encoder.output, self.popularity, exact_up_to=config.exact_up_to)
        self.ranker = Ranker(
            prior(config), hidden=config.hidden, seed=config.seed, unheard=len(CONTENT)
        )
        self.content = Content()
        self.examination = Examination()
        counting = (self.popularity, self.rules, self.contexts, self.content)
        parts = (*counting, self.encoder, self.ranker, self.examination)
        tables = [table for part in parts for table in part.tables]
        tables += [self.items.first_seen_ms, self.items.last_seen_ms]
        self._skipped = {t.name for t in tables if self.serve_only and t.learner_only}
        self.tables = {t.name: t for t in tables if t.name not in self._skipped}
        self._room = 0
        self.reserve(1_024)

    def reserve(self, rows: int) -> None:
        """Make room for rows, at least doubling where there is too little."""
        if rows > self._room:
            self._room = max(rows, 2 * self._room)
            for table in self.tables.values():
                table.grow(self._room)

    def apply(self, entry: Entry) -> None:
        """Apply one entry.

        Raises
        ------
        ModelLogBroken
            The entry does not fit this model's shapes, or is of an unknown kind.
        """
        match entry:
            case Put():
                self._put(entry)
            case Admit():
                self.reserve(max(entry.rows, default=-1) + 1)
                self.items.apply(entry)
            case Evict():
                self._evict(entry)
            case Scale():
                self._scale(entry)
            case Graph():
                self.index.apply(entry)
            case Describe():
                self.items.apply(entry)
            case Sightings():
                if not self.serve_only:
                    self.items.apply(entry)
            case Configure():
                self._configure(entry.config)

    def apply_publish(self, publish: Publish) -> None:
        """Apply a publish that follows this state's version, or a base on an empty state.

        Raises
        ------
        ModelLogBroken
            The publish does not follow.
        """
        version = publish.progress.version
        if is_base(publish):
            if self.progress.version:
                raise ModelLogBroken(
                    f"a base builds a model from nothing, this one has version "
                    f"{self.progress.version}: apply the base to a new state"
                )
        elif version != self.progress.version + 1:
            raise ModelLogBroken(
                f"version {version} does not follow version {self.progress.version}: "
                "entries are missing, load the newest base"
            )
        for entry in publish.entries:
            self.apply(entry)
        self.progress = publish.progress

    def collect(self) -> Iterator[Entry]:
        """Yield what changed in the tables since the last call, and call it unchanged."""
        yield from self.items.collect_waiting()
        for table in self.tables.values():
            yield from table.collect()

    def snapshot(self) -> Publish:
        """Return a base: the entries that rebuild this state from nothing."""
        entries: list[Entry] = [Configure(self.config), *self.items.snapshot()]
        for table in self.tables.values():
            entries += table.snapshot(self.items.size)
        if self.index.graph is not None:
            entries.append(self.index.graph)
        return Publish(self.progress, tuple(entries))

    def title_of(self, item_id: str) -> str:
        """Return the catalogue's title of an item, or ``""``."""
        update = self.items.catalogue.get(item_id)
        return update.title if update else ""

    def _configure(self, config: ModelConfig) -> None:
        if config == self.config:
            return
        if self.progress.version or len(self.items):
            raise ModelLogBroken(f"the log changes the model's shapes: {self.config} to {config}")
        self._build(config)

    def _put(self, entry: Put) -> None:
        if entry.table in self._skipped:
            return
        table = self.tables.get(entry.table)
        if table is None:
            raise ModelLogBroken(f"the log names the table {entry.table!r}, unknown here")
        try:
            rows = table.put(entry)
        except ValueError as error:
            raise ModelLogBroken(f"an entry does not fit: {error}") from error
        if table is self.popularity.counts:
            self.popularity.touch(rows)
        elif table is self.contexts.keys:
            self.contexts.touch()
        elif table is self.encoder.positions:
            self.encoder.touch()

    def _evict(self, entry: Evict) -> None:
        rows = np.array(entry.rows, dtype=np.int64)
        self.reserve(int(rows.max(initial=-1)) + 1)
        self.content.forget(rows)
        for table in self.tables.values():
            table.reset(rows)
        self.rules.forget(rows)
        self.encoder.forget(rows)
        self.index.forget(rows)
        self.items.apply(entry)
        self.popularity.touch_all()

    def _scale(self, entry: Scale) -> None:
        if entry.table not in self.tables:
            raise ModelLogBroken(f"the log scales the table {entry.table!r}, unknown here")
        self.tables[entry.table].scale(entry.channel, entry.exponent)
        self.popularity.touch_all()
