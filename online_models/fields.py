"""What the catalogue says of an item, as a few words: its categories, seller, attributes, title."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from hashlib import blake2b

from schemas.events import ItemUpdate

FIELDS = 16
"""Words of an item that count, in the order in which they are told."""
BUCKETS = 32_768
"""Places that words are hashed to; 0 is none. Two words in one place are taken for one."""
MOST_CATEGORIES = MOST_ATTRIBUTES = 6
_TOKEN = re.compile(r"\w{3,}")
_REMEMBERED = 65_536


def words_of(update: ItemUpdate | None) -> tuple[str, ...]:
    """Return the words of an item, each once; none where the catalogue says nothing of it.

    Categories come first, then the seller and the attributes, and as much of the title as there is
    room for: tokens of three characters and more, in lower case. Of an item that is gone none are
    left.

    Examples
    --------
    >>> tea = ItemUpdate(item_id="t", title="The Assam", categories=("tea",), seller_id="ann")
    >>> words_of(tea)
    ('category=tea', 'seller=ann', 'title=the', 'title=assam')
    """
    if update is None or update.deleted:
        return ()
    return tuple(dict.fromkeys(_words(update)))[:FIELDS]


def bucket_of(word: str) -> int:
    """Return the place of a word, the same in every process, within 1 and ``BUCKETS - 1``."""
    return _hashed(word)


def _words(update: ItemUpdate) -> Iterator[str]:
    for category in update.categories[:MOST_CATEGORIES]:
        yield f"category={category}"
    if update.seller_id is not None:
        yield f"seller={update.seller_id}"
    for name in sorted(update.attributes)[:MOST_ATTRIBUTES]:
        yield f"{name}={update.attributes[name]}"
    for token in _TOKEN.findall(update.title.lower()):
        yield f"title={token}"


@lru_cache(maxsize=_REMEMBERED)
def _hashed(word: str) -> int:
    digest = blake2b(word.encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little") % (BUCKETS - 1) + 1
