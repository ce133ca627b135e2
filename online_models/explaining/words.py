"""Which words of the catalogue an item has in common with a history, and what they count."""

from __future__ import annotations

from msgspec import Struct

from online_models.fields import bucket_of, words_of
from online_models.rows import Rows
from online_models.state import ModelState


class SharedWord(Struct, frozen=True):
    """A word, such as ``category=tea``, and its share in the likeness by the catalogue."""

    word: str
    share: float


def shared_words(state: ModelState, history: Rows, item_id: str) -> tuple[SharedWord, ...]:
    """Return the words that an item has in common with a history, the largest share first."""
    profile = state.content.profile(history)
    if profile is None:
        return ()
    words = words_of(state.items.catalogue.get(item_id))
    worth = {word: float(profile.worth[bucket_of(word)]) for word in words}
    total = sum(worth.values())
    found = [SharedWord(word, part / total) for word, part in worth.items() if part > 0]
    return tuple(sorted(found, key=lambda one: -one.share))
