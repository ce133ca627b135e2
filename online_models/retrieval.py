"""Candidates: what each source proposes for a query, and what it thinks of all the others' too."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from online_models.agreed import ALONE
from online_models.asked import Asked, read
from online_models.content import Profile
from online_models.content_source import alike, told
from online_models.facets import NONE
from online_models.likeness import encoded
from online_models.reranking.permit import Permit, permit
from online_models.rows import BIT, NO_ROWS, Codes, Mask, Rows, find, member, union
from online_models.state import ModelState
from schemas.examples import Query
from schemas.slate_rules import SlateRules

Floats = npt.NDArray[np.float32]

SOURCES = ("popularity", "rules", "encoder", "session", "content")
ALL_SOURCES = np.bitwise_or.reduce(BIT[: len(SOURCES)])


class Candidates(Struct, frozen=True):
    """Rows in rising order, with what the sources know of each.

    ``proposers`` tells by its bits which of ``SOURCES`` propose a row, of shape ``(n,)``.
    ``followers`` are the counts of rules, by the whole history and then by its newest item, of
    shape ``(n, 2 * channels)``, ``heard`` is what rules tell at second hand, of shape ``(n,)``.
    ``shares`` are of shape ``(n, horizons)``, ``recency`` and ``times`` as ``visits`` returns them,
    ``encoded`` as ``likeness`` makes it; ``lifts`` tells what each value of the context lifts them
    by, of shape ``(n, values)``; ``content`` is as ``content_source.told`` tells it.
    """

    rows: Rows
    asked: Asked
    proposers: Codes
    followers: Floats
    heard: Floats
    shares: Floats
    recency: Floats
    times: Rows
    encoded: Floats
    lifts: Floats
    content: Floats

    @property
    def history(self) -> Rows:
        """Rows of the unit's items, newest first."""
        return self.asked.history

    @property
    def ranked(self) -> bool:
        """Whether the ranker weighs them: it has learnt nothing of users without any history."""
        return self.asked.vector is not None

    @property
    def proposed(self) -> Mask:
        """Which of them any source proposes: the others were wished for."""
        return self.proposers > 0

    def proposed_by(self, source: str) -> Mask:
        """Return which of them a source proposes."""
        mask: Mask = (self.proposers & BIT[SOURCES.index(source)]) > 0
        return mask

    @property
    def rules(self) -> Floats:
        """Counts by the whole history, of shape ``(n, channels)``."""
        return self.followers[:, : self.followers.shape[1] // 2]

    @property
    def last_rules(self) -> Floats:
        """Counts by the newest item alone, of shape ``(n, channels)``."""
        return self.followers[:, self.followers.shape[1] // 2 :]


class Retriever:
    """Asks every source of a model for candidates.

    Parameters
    ----------
    by_popularity
        The most that each horizon may propose, unless a slate has more places; ``ALONE`` times as
        many where the encoder proposes nothing.
    by_rules
        The most that rules may propose.
    by_encoder
        The most that it may propose, unless a slate has more than half as many places.
    own_items
        How many of the unit's last items are proposed again, unless the query excludes them.
    """

    def __init__(
        self,
        state: ModelState,
        *,
        by_popularity: int = 20,
        by_rules: int = 150,
        by_encoder: int = 40,
        own_items: int = 10,
    ) -> None:
        self.state = state
        self.by_popularity, self.by_rules = by_popularity, by_rules
        self.by_encoder, self.own_items = by_encoder, own_items

    def candidates(
        self,
        query: Query,
        barred: Permit | None = None,
        *,
        at_least: int = 0,
        wished: Sequence[int] = (),
        paid: Sequence[int] = (),
    ) -> Candidates:
        """Return what may be recommended: nothing seen, nothing that must not be served.

        Parameters
        ----------
        barred
            What must not be; by the default rules where it is not given.
        at_least
            The places of the slate. Where the sources propose fewer, but for sponsored items,
            popularity goes on beyond its bound.
        wished
            Rows that are candidates too, where they may be shown, though no source proposes them.
        paid
            Rows that are sponsored, whatever the catalogue says.
        """
        asked = read(self.state, query)
        barred = barred or permit(self.state.items, query, SlateRules())
        found = self._neighbours(asked.history)
        profile = self.state.content.profile(asked.history)
        popular = max(self.by_popularity, at_least) * (1 if asked.vector is not None else ALONE)
        lists = [
            self._popular(barred, popular),
            self._best(found, barred),
            self._near(asked, barred, max(self.by_encoder, 2 * at_least)),
            barred.of(asked.history[: self.own_items]),
            alike(self.state, profile, barred.allows),
            barred.of(np.array(wished, dtype=np.int64)),  # the one that is no source's
        ]
        rows, proposers = union(lists)
        proposers &= ALL_SOURCES
        missing = at_least - self._organic(rows, proposers, paid)
        if missing > 0:
            more = self._more(rows[proposers > 0], barred, missing, paid)
            lists[0] = np.concatenate([lists[0], more])
            rows, proposers = union(lists)
            proposers &= ALL_SOURCES
        return self._known(rows, asked, proposers, found, profile)

    def given(self, query: Query, rows: Rows) -> Candidates:
        """Return given rows, in rising order, as if every source had proposed them."""
        asked = read(self.state, query)
        proposers = np.full(len(rows), ALL_SOURCES)
        profile = self.state.content.profile(asked.history)
        return self._known(rows, asked, proposers, self._neighbours(asked.history), profile)

    def _more(self, found: Rows, barred: Permit, count: int, paid: Sequence[int]) -> Rows:
        """Return so many of the most popular that were not found, and what is paid among them."""
        rows = np.flatnonzero(barred.servable[: self.state.items.size])
        rows = rows[barred.allows(rows) & ~member(rows, found)]
        popularity = self.state.popularity
        shares = popularity.blend(popularity.shares(rows))
        best = rows[np.argsort(-shares, kind="stable")]
        organic = (~self._sponsored(best, paid)).cumsum()
        return best[: int(organic.searchsorted(count)) + 1]

    def _organic(self, rows: Rows, proposers: Codes, paid: Sequence[int]) -> int:
        """Return how many of the proposed are not sponsored: of those a slate has but few."""
        proposed = int(np.count_nonzero(proposers))
        if not (paid or self.state.items.facets.sponsored.used):
            return proposed
        return proposed - int(np.count_nonzero(self._sponsored(rows[proposers > 0], paid)))

    def _sponsored(self, rows: Rows, paid: Sequence[int]) -> Mask:
        """Return which rows are sponsored, by the catalogue or by the slate's rules."""
        sponsored: Mask = self.state.items.facets.sponsored.of(rows) != NONE
        return sponsored | member(rows, np.sort(np.array(paid, dtype=np.int64)))

    def _neighbours(self, history: Rows) -> tuple[Rows, Floats]:
        return self.state.rules.neighbours(history, float(self.state.progress.time_ms))

    def _best(self, found: tuple[Rows, Floats], barred: Permit) -> Rows:
        """Return the strongest neighbours that may be shown."""
        rules, (followers, counts) = self.state.rules, found
        if barred.bars:
            allowed = barred.allows(followers)
            followers, counts = followers[allowed], counts[allowed]
        if len(followers) <= self.by_rules:
            return followers
        scores = rules.blend(counts[:, : rules.channels])
        return followers[np.argpartition(-scores, self.by_rules - 1)[: self.by_rules]]

    def _popular(self, barred: Permit, count: int) -> Rows:
        """Return the first so many of each horizon that may be shown."""
        popularity = self.state.popularity
        leading = popularity.leading(count)
        if not barred.bars or barred.allows(leading).all():
            return leading
        lists = popularity.lists()
        together, start, kept = np.concatenate(lists), 0, []
        allowed = barred.allows(together)
        for rows in lists:
            kept.append(rows[allowed[start : start + len(rows)]][:count])
            start += len(rows)
        return np.concatenate(kept)

    def _near(self, asked: Asked, barred: Permit, count: int) -> Rows:
        """Return the encoder's first so many; asks for more where some have been seen."""
        if asked.vector is None:
            return NO_ROWS
        among = barred.servable if barred.narrows else None
        most = count + len(barred.barred)
        found = self.state.index.search(asked.vector, most, among=among)
        return barred.of(found)[:count]

    def _known(
        self,
        rows: Rows,
        asked: Asked,
        proposers: Codes,
        found: tuple[Rows, Floats],
        profile: Profile | None,
    ) -> Candidates:
        state, (neighbours, counts) = self.state, found
        places, held = find(neighbours, rows)
        followers = np.zeros((len(rows), counts.shape[1]), dtype=np.float32, order="F")
        followers[places[held]] = counts[held]
        now_ms = float(state.progress.time_ms)
        return Candidates(
            rows,
            asked,
            proposers,
            followers,
            state.rules.second_hand(rows, found, now_ms),
            state.popularity.shares(rows),
            *visits(rows, asked.history),
            encoded(state, rows, asked),
            state.contexts.lifts(rows, asked.slots, now_ms),
            told(state, rows, profile),
        )


def visits(rows: Rows, history: Rows) -> tuple[Floats, Rows]:
    """Return how recent each row is in a history, and how many times it is there.

    How recent: 1 for the newest item, 1/2 for the one before, 0 for what the history lacks.
    """
    recency = np.zeros(len(rows), dtype=np.float32)
    places, held = find(history, rows)
    ages = held.nonzero()[0][::-1]  # of equal items the newest is written last
    places = places.take(ages)
    recency[places] = _recencies(len(history)).take(ages)
    return recency, np.bincount(places, minlength=len(rows))


@lru_cache(maxsize=256)
def _recencies(count: int) -> Floats:
    """Return how recent each of so many items is; nobody's to write."""
    recencies: Floats = np.reciprocal(1 + np.arange(count, dtype=np.float32))
    return recencies
