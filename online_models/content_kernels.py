"""What the catalogue tells of one list, compiled: as ``content`` and ``content_source`` have it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from online_models.agreed import ASKED, SCORE, SHORTFALL, UNTRIED
from online_models.compiled import jit
from online_models.content import Content
from online_models.selection_kernels import cut

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


class Words(NamedTuple):
    """The tables of ``Content``."""

    words: npt.NDArray[np.int32]
    carriers: npt.NDArray[np.int32]
    held: npt.NDArray[np.int32]

    @classmethod
    def of(cls, content: Content) -> Words:
        """Return those of a model, until they grow."""
        return cls(content.words.array, content.carriers.array, content.held.array)


class Liked(NamedTuple):
    """What a history likes: it has a cell for each word, and is as good as new after ``unlike``.

    ``worth`` holds what a word adds to a score, ``met`` whether the history has it, ``words`` the
    words that it has.
    """

    worth: Floats
    met: npt.NDArray[np.bool_]
    words: Rows

    @classmethod
    def made(cls, buckets: int, most: int) -> Liked:
        """Return room for histories of so many words at most."""
        return cls(
            worth=np.zeros(buckets, dtype=np.float32),
            met=np.zeros(buckets, dtype=bool),
            words=np.zeros(most, dtype=np.int64),
        )


@jit
def like(history: Any, added: Any, words: Any, liked: Any) -> int:
    """Let ``liked`` hold what a history likes; return how many words that are.

    ``added`` is what each word of its items adds, in the order of these, as ``Content.worth`` tells
    it; without items where there is no catalogue.
    """
    worth, met, own = liked
    found = 0
    for k in range(len(added)):
        item = history[k]
        for n in range(added.shape[1]):
            word = words[item, n]
            if not word:  # no more follow
                break
            worth[word] += added[k, n]
            if not met[word]:
                met[word] = True
                own[found] = word
                found += 1
    return found


@jit
def unlike(found: int, liked: Any) -> None:
    """Make ``liked`` as good as new."""
    worth, met, own = liked
    for n in range(found):
        worth[own[n]] = 0
        met[own[n]] = False


@jit
def alike(found: int, catalogue: Any, counts: Any, liked: Any, lookup: Any) -> Any:
    """Return the newest rows of the best words, their likeness, and how many had no event.

    Those come first; who is not like is left out. ``counts`` are popularity's by the longest
    horizon; ``lookup`` has -1 for each row, before and after.
    """
    rows = _newest(found, catalogue, liked, lookup)
    scores = np.empty(len(rows), dtype=np.float32)
    liken(rows, catalogue, liked, scores)
    kept = new = 0
    for n in range(len(rows)):
        row, score, at = rows[n], scores[n], kept
        if score <= 0:
            continue
        if counts[row] == 0:
            rows[kept], scores[kept], at = rows[new], scores[new], new
            new += 1
        rows[at], scores[at] = row, score
        kept += 1
    return rows[:kept], scores[:kept], new


@jit
def _newest(found: int, catalogue: Any, liked: Any, lookup: Any) -> Any:
    """Return what ``Content.newest`` does, in any order."""
    worth, own, held = liked.worth, liked.words, catalogue.held
    keys = np.empty(found, dtype=np.float32)
    for n in range(found):
        keys[n] = worth[own[n]]
    best = cut(keys, own, found, ASKED)
    rows, count = np.empty(best * held.shape[1], dtype=np.int64), 0
    for n in range(best):
        for k in range(held.shape[1]):
            row = held[own[n], k] - 1
            if row < 0:  # no more follow
                break
            if lookup[row] < 0:
                lookup[row], rows[count] = count, row
                count += 1
    for n in range(count):
        lookup[rows[n]] = -1
    return rows[:count]


@jit
def liken(rows: Any, catalogue: Any, liked: Any, scores: Any) -> None:
    """Write what ``Content.likeness`` returns."""
    words, carriers, worth = catalogue.words, catalogue.carriers, liked.worth
    for n in range(len(rows)):
        row, shared, score = rows[n], 0, np.float32(0)
        for k in range(words.shape[1]):
            word = words[row, k]
            if not word:  # no more follow
                break
            score += worth[word]
            shared += carriers[word] > 1
        scores[n] = score / np.sqrt(np.float32(max(shared, 1)))


@jit
def tell(rows: Any, found: int, catalogue: Any, counts: Any, liked: Any, told: Any) -> None:
    """Write what ``content_source.told`` returns; ``found`` is how many words are liked."""
    for n in range(len(rows)):
        told[n, SCORE] = told[n, SHORTFALL] = 0
        told[n, UNTRIED] = counts[rows[n]] == 0
    if not found:
        return
    scores = np.empty(len(rows), dtype=np.float32)
    liken(rows, catalogue, liked, scores)
    best = scores.max()
    for n in range(len(rows)):
        told[n, SCORE], told[n, SHORTFALL] = scores[n], scores[n] - best


@jit
def borrow(told: Any, peers: int, at: int, mix: Any, mixture: Any, logs: Any) -> None:
    """Do what ``content_source.borrow`` does, to the logs of counts and of their blends.

    The mean of logs stays a log here, so that its last bits may differ.

    Parameters
    ----------
    at
        How many columns rules and popularity take; one at second hand follows, and three blends.
    mix, mixture
        How the channels of rules, and the horizons of popularity, are blended.
    """
    new, tried = _by_likeness(told)
    if not (len(new) and len(tried)):
        return
    peers, behind, former, lender = min(peers, len(tried)), 0, -1, -1
    for place in new:
        while behind < len(tried) and told[tried[behind], SCORE] <= told[place, SCORE]:
            behind += 1
        first = min(max(behind - peers // 2, 0), len(tried) - peers)
        if first == lender:  # as most do: few words make few scores
            logs[place, : at + 4] = logs[former, : at + 4]
        else:
            _lend(tried[first : first + peers], at, mix, mixture, logs, logs[place])
        former, lender = place, first


@jit
def _lend(lenders: Any, at: int, mix: Any, mixture: Any, logs: Any, own: Any) -> None:
    """Write the mean logs of lenders, and the blends of what these are the logs of."""
    channels = len(mix)
    own[: at + 1] = 0
    for lender in lenders:
        for c in range(at + 1):
            own[c] += logs[lender, c]
    for c in range(at + 1):
        own[c] /= np.float32(len(lenders))
    own[at + 1] = _blend(own[:channels], mix)
    own[at + 2] = _blend(own[channels : 2 * channels], mix)
    own[at + 3] = _blend(own[2 * channels : at], mixture)


@jit
def _blend(logs: Any, mix: Any) -> Any:
    blended = np.float32(0)
    for c in range(len(mix)):
        blended += mix[c] * np.exp(logs[c])
    return np.log(blended)


@jit
def _by_likeness(told: Any) -> Any:
    """Return the places of the untried candidates, and of the tried, both by rising likeness.

    Ties go to the lower place. Likeness is never below 0, and so is in order by its bits, too.
    """
    bits = told[:, SCORE].copy().view(np.int32)
    places, unlike = np.empty(len(told), dtype=np.int64), 0
    for n in range(len(told)):
        if not bits[n]:  # as in most
            places[unlike] = n
            unlike += 1
    end = unlike
    for n in range(len(told)):
        if bits[n]:
            places[end] = np.int64(bits[n]) << 32 | n
            end += 1
    places[unlike:].sort()
    kinds, held = np.empty((2, len(told)), dtype=np.int64), np.zeros(2, dtype=np.int64)
    for key in places:
        place = key & 0xFFFFFFFF
        kind = np.int64(told[place, UNTRIED])
        kinds[kind, held[kind]] = place
        held[kind] += 1
    return kinds[1, : held[1]], kinds[0, : held[0]]
