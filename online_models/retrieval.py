"""Candidates: what each source proposes for a query, and what it thinks of all the others' too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from online_models.asked import Asked, read
from online_models.content import Profile
from online_models.content_source import SCORE, alike, told
from online_models.likeness import encoded
from online_models.reranking.permit import Permit, permit
from online_models.rows import Mask, Rows, distinct, member
from online_models.state import ModelState
from schemas.examples import Query
from schemas.slate_rules import SlateRules

Floats = npt.NDArray[np.float32]

SOURCES = ("popularity", "rules", "encoder", "session", "content")


@dataclass(frozen=True, slots=True)
class Candidates:
    """Rows in rising order, with what the sources know of each.

    ``proposed`` and ``own`` hold one mask and one score of its own for each source, of shape
    ``(n,)``; ``rules`` and ``last_rules`` are of shape ``(n, channels)``, ``shares`` of shape
    ``(n, horizons)``, ``encoded`` as ``likeness`` makes it; ``lifts`` tells what each value of the
    context lifts them by, of shape ``(n, values)``; ``content`` is as
    ``content_source.told`` tells it.
    """

    rows: Rows
    asked: Asked
    proposed: dict[str, Mask]
    own: dict[str, Floats]
    rules: Floats
    last_rules: Floats
    shares: Floats
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


class Retriever:
    """Asks every source of a model for candidates.

    Parameters
    ----------
    by_popularity
        The most that each horizon may propose.
    by_rules, by_encoder
        The most that each may propose.
    own_items
        How many of the unit's last items are proposed again, unless the query excludes them.
    """

    def __init__(
        self,
        state: ModelState,
        *,
        by_popularity: int = 60,
        by_rules: int = 150,
        by_encoder: int = 100,
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
    ) -> Candidates:
        """Return what may be recommended: nothing seen, nothing that must not be served.

        Parameters
        ----------
        barred
            What must not be; by the default rules where it is not given.
        at_least
            Where the sources propose fewer, popularity goes on beyond its bound.
        wished
            Rows that are candidates too, where they may be shown, though no source proposes them.
        """
        asked = read(self.state, query)
        barred = barred or permit(self.state.items, query, SlateRules())
        neighbours, rules, last = self._neighbours(asked.history)
        allowed = self._allowed(neighbours, barred)
        if not allowed.all():
            neighbours, rules, last = neighbours[allowed], rules[allowed], last[allowed]
        best = _best(self.state.rules.blend(rules), self.by_rules)
        profile = self.state.content.profile(asked.history)
        lists = (
            self._popular(barred),
            neighbours[best],
            self._near(asked, barred),
            self._own(asked, barred),
            alike(self.state, profile, barred.allows),
        )
        rows = distinct(np.concatenate(lists))
        if len(rows) < at_least:
            more = self._more(rows, barred, at_least - len(rows))
            lists = (np.concatenate([lists[0], more]), *lists[1:])
            rows = distinct(np.concatenate([rows, more]))
        if len(wished):
            rows = self._with(rows, np.array(wished, dtype=np.int64), barred)
        found_rules = (neighbours, rules, last)
        return self._known(rows, asked, _proposed(rows, lists), found_rules, profile)

    def given(self, query: Query, rows: Rows) -> Candidates:
        """Return given rows, in rising order, as if every source had proposed them."""
        asked = read(self.state, query)
        everywhere = np.ones(len(rows), dtype=bool)
        proposed = dict.fromkeys(SOURCES, everywhere)
        profile = self.state.content.profile(asked.history)
        return self._known(rows, asked, proposed, self._neighbours(asked.history), profile)

    def _allowed(self, rows: Rows, barred: Permit) -> Mask:
        return barred.allows(rows)

    def _with(self, rows: Rows, wished: Rows, barred: Permit) -> Rows:
        return distinct(np.concatenate([rows, wished[self._allowed(wished, barred)]]))

    def _more(self, found: Rows, barred: Permit, count: int) -> Rows:
        """Return the most popular of all that may be shown and were not found."""
        rows = np.flatnonzero(barred.servable[: self.state.items.size])
        rows = rows[barred.allows(rows) & ~member(rows, found)]
        popularity = self.state.popularity
        shares = popularity.blend(popularity.shares(rows))
        return rows[np.argsort(-shares, kind="stable")[:count]]

    def _neighbours(self, history: Rows) -> tuple[Rows, Floats, Floats]:
        return self.state.rules.neighbours(history, float(self.state.progress.time_ms))

    def _popular(self, barred: Permit) -> Rows:
        lists = self.state.popularity.lists(self.state.items.size)
        together, start, kept = np.concatenate(lists), 0, []
        allowed = self._allowed(together, barred)
        for rows in lists:
            kept.append(rows[allowed[start : start + len(rows)]][: self.by_popularity])
            start += len(rows)
        return np.concatenate(kept)

    def _own(self, asked: Asked, barred: Permit) -> Rows:
        own = asked.history[: self.own_items]
        return own[self._allowed(own, barred)]

    def _near(self, asked: Asked, barred: Permit) -> Rows:
        """Return the encoder's rows; asks for more where some have been seen."""
        if asked.vector is None:
            return np.zeros(0, dtype=np.int64)
        items = self.state.items
        among = barred.servable if barred.narrows else None
        count = self.by_encoder + len(barred.barred)
        found = self.state.index.search(asked.vector, count, items.size, among=among)
        return found[self._allowed(found, barred)][: self.by_encoder]

    def _known(
        self,
        rows: Rows,
        asked: Asked,
        proposed: dict[str, Mask],
        found: tuple[Rows, Floats, Floats],
        profile: Profile | None,
    ) -> Candidates:
        state = self.state
        neighbours, rules, last = found
        scores = np.zeros((2, len(rows), state.rules.channels), dtype=np.float32)
        held = member(neighbours, rows)
        places = np.searchsorted(rows, neighbours[held])
        scores[0, places], scores[1, places] = rules[held], last[held]
        shares = state.popularity.shares(rows)
        likeness, content = encoded(state, rows, asked), told(state, rows, profile)
        own = {
            "popularity": state.popularity.blend(shares),
            "rules": state.rules.blend(scores[0]),
            "encoder": likeness[:, 0],
            "session": recency(rows, asked.history),
            "content": content[:, SCORE],
        }
        lifts = state.contexts.lifts(rows, asked.slots, float(state.progress.time_ms))
        return Candidates(
            rows, asked, proposed, own, scores[0], scores[1], shares, likeness, lifts, content
        )


def _best(scores: Floats, count: int) -> Rows:
    if len(scores) <= count:
        return np.arange(len(scores))
    return np.argpartition(-scores, count - 1)[:count]


def recency(rows: Rows, history: Rows) -> Floats:
    """Return 1 for the history's newest item, 1/2 for the one before, 0 for what it lacks."""
    found = np.zeros(len(rows), dtype=np.float32)
    if not len(history):
        return found
    held = np.flatnonzero(member(history, rows))[::-1]  # of equal items the newest is written last
    found[rows.searchsorted(history[held])] = 1 / (1 + held)
    return found


def _proposed(rows: Rows, lists: Sequence[Rows]) -> dict[str, Mask]:
    """Return which of the rows, in rising order, each source proposed: they hold all of these."""
    masks = np.zeros((len(SOURCES), len(rows)), dtype=bool)
    places, start = rows.searchsorted(np.concatenate(lists)), 0
    for mask, found in zip(masks, lists, strict=True):
        mask[places[start : start + len(found)]] = True
        start += len(found)
    return dict(zip(SOURCES, masks, strict=True))
