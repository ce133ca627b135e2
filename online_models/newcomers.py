"""Items that the catalogue brings before anybody clicked on them: their rows, and their vectors.

References
----------
M. Kula: Metadata Embeddings for User and Item Cold-start Recommendations. CBRecSys 2015.
https://arxiv.org/abs/1507.08439 (an item as the sum of its fields' vectors; here they are not
trained apart, but those of the items that share the words are taken)
"""

from __future__ import annotations

import numpy as np

from online_models.content_kernels import Liked, Words
from online_models.content_source import untried
from online_models.fields import BUCKETS, FIELDS, words_of
from online_models.items import UNKNOWN
from online_models.newcomer_kernels import follow
from online_models.rows import Rows
from online_models.state import ModelState
from schemas.events import ItemUpdate

ALIKE = 10
"""Of how many items, those most alike, an untried one has the mean vectors."""
WATCHED = 32
"""Rows that are looked at after each micro-batch: untried ones among them follow their like."""


class Newcomers:
    """Gives described items rows, and vectors for as long as they have no event to learn from.

    An item's vectors are the mean of those of the tried items most alike, by the catalogue. So the
    encoder places it among them, bias included, for whomever the catalogue proposes it to.
    As those go on learning, the vectors of untried items are made anew: 32 rows are looked at after
    each micro-batch, by turns.

    Parameters
    ----------
    state
        Written in place.
    """

    def __init__(self, state: ModelState) -> None:
        self.state = state
        self._liked, self._lookup = Liked.made(BUCKETS, FIELDS), np.empty(0, dtype=np.int32)

    def wants_row(self, update: ItemUpdate, *, room: int) -> bool:
        """Return whether an item gets a row before its first event.

        It has to have words and to be in stock; and it takes no row from an item with events, nor
        one of the ``room`` that those to come may need. When rows run out, untried items leave
        first: nobody has seen them.
        """
        items = self.state.items
        if items.row_of(update.item_id) != UNKNOWN or not update.in_stock:
            return False
        return len(items) + room < items.capacity and bool(words_of(update))

    def describe(self, row: int) -> None:
        """Let an item have the words that the catalogue has for it now."""
        items = self.state.items
        update = items.catalogue.get(items.id_of(row))
        if update is not None:
            self.state.content.put(row, words_of(update))
            self.follow(np.array([row], dtype=np.int64))

    def refresh(self, step: int) -> None:
        """Look after some untried items: which, is decided by the step."""
        if not self.state.content.used:
            return
        start, size = step * WATCHED, self.state.items.size
        self.follow((start + np.arange(min(WATCHED, size), dtype=np.int64)) % size)

    def follow(self, rows: Rows) -> None:
        """Bring those of these rows that are untried to the vectors of their like."""
        content, encoder = self.state.content, self.state.encoder
        rows = rows[untried(self.state, rows) & (content.words.array[rows, 0] > 0)]
        if not len(rows):
            return
        if len(self._lookup) < len(content.words.array):
            self._lookup = np.full(len(content.words.array), -1, dtype=np.int32)
        tables, followed = (encoder.input, encoder.output), np.empty(len(rows), dtype=bool)
        follow(
            rows,
            content.worth(rows, np.ones(len(rows), dtype=np.float32)),
            Words.of(content),
            self.state.popularity.counts.array[:, -1],
            ALIKE,
            self._liked,
            self._lookup,
            tuple(table.array.reshape(len(table.array), -1) for table in tables),
            followed,
        )
        for table in tables:
            table.mark(rows[followed])
