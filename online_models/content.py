"""Likeness by the catalogue: which items have words of those that a history likes.

References
----------
M. Pazzani, D. Billsus: Content-Based Recommendation Systems. In: The Adaptive Web, 2007.
https://doi.org/10.1007/978-3-540-72079-9_10
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from online_models.agreed import ASKED
from online_models.fields import BUCKETS, FIELDS, bucket_of
from online_models.rows import Rows, distinct
from online_models.tables import Table

Floats = npt.NDArray[np.float32]

ITEMS = BUCKETS
"""Where ``carriers`` counts the items that have any word, behind those that have each."""
HELD = 32
"""The items that are kept for each word: the newest, as the old ones are known by their events."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What a history likes.

    ``worth`` holds what each place of a word adds to a score, of shape ``(BUCKETS,)``; ``best`` are
    the places that add most.
    """

    worth: Floats
    best: Rows


class Content:
    """The words of each item, how many items have each, and the newest of them.

    The likeness of an item to a profile is much like that of TF-IDF: the sum over common words of
    their squared idf, each by its share of the history, over the root of the number of the item's
    words. A word is worth more the fewer items have it; one that no other item has counts for
    nothing, as new titles bring such words. (Of MovieLens' first ratings of a film, 14.7 % were
    among the 20 most alike of all films without one; 14.4 % with cosines.) Nothing is learnt of
    events, so that it holds for items that had none; what it is worth beside other sources is for
    the ranker to learn.

    Bounded: 64 bytes an item, and 4.3 MB for all words together.
    """

    def __init__(self) -> None:
        self.words = Table("content.words", (FIELDS,), dtype=np.int32)
        self.carriers = Table(
            "content.carriers", (BUCKETS + 1,), dtype=np.int32, by_row=False, sparse=True
        )
        # Rows plus 1, the newest first: memory that is all zeros costs nothing until it is used.
        self.held = Table(
            "content.held", (BUCKETS, HELD), dtype=np.int32, by_row=False, sparse=True
        )
        self.tables = (self.words, self.carriers, self.held)

    @property
    def used(self) -> bool:
        """Whether any item has a word."""
        return bool(self.carriers.array[ITEMS])

    def put(self, row: int, words: Sequence[str]) -> None:
        """Give the item of a row other words."""
        places = sorted({bucket_of(word) for word in words})
        former = self.words.array[row]
        if former[: len(places)].tolist() == places and not former[len(places) :].any():
            return
        changed = [ITEMS, *self._count(former, -1), *places]
        former[:] = 0
        former[: len(places)] = places
        self._count(former, 1)
        self.words.mark(row)
        self.carriers.mark(np.array(changed))
        for place in places:
            self._hold(place, row)

    def forget(self, rows: Rows) -> None:
        """Count the words of rows no more, before they are reset. Both sides of the log do so.

        Rows stay among the newest of a word until others push them out, and are unlike then.
        """
        if self.used:
            for row in rows.tolist():
                self._count(self.words.array[row], -1)

    def profile(self, history: Rows) -> Profile | None:
        """Return what a history likes, newest first; ``None`` where no item of it has a word."""
        if not self.used or not len(history):
            return None
        words = self._words(history)
        return _profile(words, self._worth(words, shares_of(len(history))))

    def worth(self, rows: Rows, shares: Floats) -> Floats:
        """Return what each word of items adds to a profile, of shape ``(rows, FIELDS)``.

        Parameters
        ----------
        shares
            Of the items in their histories, of shape ``(rows,)``; see ``shares_of``.
        """
        return self._worth(self._words(rows), shares)

    def likeness(self, rows: Rows, profile: Profile) -> Floats:
        """Return how like each row is, of shape ``(rows,)``: 0 where it has no such word."""
        if len(rows) == 1:  # numpy would add its words up in pairs
            return self.likeness(rows.repeat(2), profile)[:1]
        # Of shape (words, rows): so each row's words are added up one after the other, whatever
        # rows there are besides. Linear algebra adds them up in an order of its own.
        words = self.words.array.take(rows, axis=0).T.astype(np.int64, order="C")
        shared = np.add.reduce(self.carriers.array.take(words) > 1, axis=0, dtype=np.float32)
        scores: Floats = np.add.reduce(profile.worth.take(words), axis=0)
        scores /= np.sqrt(np.maximum(shared, 1, out=shared))
        return scores

    def newest(self, profile: Profile) -> Rows:
        """Return the newest items of the profile's best words, in rising order."""
        rows = distinct(self.held.array[profile.best].ravel().astype(np.int64)) - 1
        return rows[rows.searchsorted(0) :]

    def _words(self, rows: Rows) -> Rows:
        return self.words.array.take(rows, axis=0).astype(np.int64)

    def _worth(self, words: Rows, shares: Floats) -> Floats:
        worth: Floats = self._idf_squares(words) * shares[:, None]
        return worth

    def _idf_squares(self, words: Rows) -> Floats:
        """Return the squared idf of words, 0 where there is none or only one item has it."""
        carriers = self.carriers.array.take(words)
        items = np.float32(self.carriers.array[ITEMS] + 1)
        idf = np.log(items / np.maximum(carriers, 1).astype(np.float32))
        squares: Floats = np.where(carriers > 1, idf * idf, np.float32(0))
        return squares

    def _count(self, words: npt.NDArray[np.int32], by: int) -> list[int]:
        """Count the words of an item by so much, and return them."""
        own: list[int] = words[words > 0].tolist()
        self.carriers.array[own] += by
        self.carriers.array[ITEMS] += by * bool(own)
        return own

    def _hold(self, place: int, row: int) -> None:
        held = self.held.array[place]
        others = held[held != row + 1][: HELD - 1]
        held[0], held[1 : 1 + len(others)] = row + 1, others
        self.held.mark(place)


@lru_cache(maxsize=256)
def shares_of(count: int) -> Floats:
    """Return the shares of so many items in what their history likes; nobody's to write."""
    ages = np.arange(count, dtype=np.float32)
    weights = (1 + ages) ** np.float32(-0.5)
    shares: Floats = weights / weights.sum()
    return shares


def _profile(words: Rows, added: Floats) -> Profile | None:
    """Return what words like that each add so much; ``None`` where there are none."""
    worth = np.zeros(BUCKETS, dtype=np.float32)
    np.add.at(worth, words.ravel(), added.ravel())
    places = distinct(words.ravel())
    places = places[places.searchsorted(1) :]
    if not len(places):
        return None
    best = np.argsort(-worth[places], kind="stable")[:ASKED]
    return Profile(worth, places[best])
