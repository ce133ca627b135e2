"""An impression holds what was shown, with what the ranker saw, to the bit."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from online_models.feature_names import feature_names
from online_models.recommender import Recommender, Slate, SlateItem
from schemas.decoding import decode
from schemas.events import Impression
from schemas.examples import Query
from schemas.model_config import ModelConfig
from serving.shown import impression, shown
from tests.builders import SMALL, START_MS
from tests.serving.models import model_at, written

ASKED = Query(user_id="ünï", unit_key="u", history=("i1", "i2"), time_ms=START_MS)
_floats = st.floats(width=32, allow_nan=False, allow_infinity=False)


def read(slate: Slate, query: Query = ASKED) -> Impression:
    """Return the impression of a slate as the flow reads it."""
    entry = impression(shown("r1", query, slate, 7))
    assert (entry.event_type, entry.key) == ("impression", query.user_id)
    event = decode(entry.event_type, entry.payload, now_ms=START_MS)
    assert isinstance(event, Impression)
    return event


def packed(event: Impression) -> bytes:
    """Return the features of an impression as a slate has them."""
    return b"".join(np.array(item.features, dtype="<f4").tobytes() for item in event.items)


def slate_of(features: list[list[float]], scores: list[float] | None = None) -> Slate:
    items = tuple(
        SlateItem(f"i{n}", score, ("rules",))
        for n, score in enumerate(scores or [0.5] * len(features))
    )
    return Slate(items, np.array(features, dtype="<f4").tobytes())


def test_impression_tells_what_was_shown_to_whom() -> None:
    slate = Recommender(model_at(written(8))).recommend(ASKED, 5)
    event = read(slate)
    assert (event.request_id, event.user_id, event.time_ms) == ("r1", "ünï", START_MS)
    assert (event.model_version, event.variant) == (7, "default")
    assert [item.item_id for item in event.items] == [item.item_id for item in slate.items]
    assert [item.position for item in event.items] == [0, 1, 2, 3, 4]
    assert [item.propensity for item in event.items] == [1.0] * 5
    assert [item.sources for item in event.items] == [item.sources for item in slate.items]
    assert [np.float32(item.score) for item in event.items] == [i.score for i in slate.items]


def test_propensities_are_those_with_which_items_were_drawn() -> None:
    slate = msgspec.structs.replace(
        slate_of([[1.0], [2.0]]),
        items=(SlateItem("a", 0.5, ()), SlateItem("b", 0.25, (), ("explore",), propensity=0.125)),
    )
    assert [item.propensity for item in read(slate).items] == [1.0, 0.125]


def test_features_are_those_that_the_ranker_saw() -> None:
    recommender = Recommender(model_at(written(8)))
    slate = recommender.recommend(ASKED, 5)
    assert packed(read(slate)) == slate.features
    ranking = recommender.rank(ASKED)
    assert slate.features == ranking.features[ranking.top(5)].tobytes()
    assert len(read(slate).items[0].features) == len(feature_names(SMALL))


def test_slate_that_was_not_ranked_has_no_features() -> None:
    stranger = Query(user_id="ann", unit_key="ann", time_ms=START_MS)
    slate = Recommender(model_at(written(8))).recommend(stranger, 5)
    assert slate.features == b""
    assert [item.features for item in read(slate, stranger).items] == [()] * 5
    assert Recommender(model_at(written(8))).similar("i1", 3).features == b""


@given(
    st.integers(1, 4).flatmap(
        lambda n: st.lists(st.lists(_floats, min_size=n, max_size=n), min_size=1, max_size=5)
    )
)
def test_any_float32_comes_out_as_it_went_in(features: list[list[float]]) -> None:
    slate = slate_of(features)
    assert packed(read(slate)) == slate.features


def test_numbers_that_json_lacks_are_left_out() -> None:
    nan, inf = float("nan"), float("inf")
    slate = slate_of([[1.0, 2.0], [nan, 2.0], [1.0, -inf], [3e38, 3e38]], [0.5, nan, -inf, 0.25])
    event = read(slate)
    assert [len(item.features) for item in event.items] == [2, 0, 0, 2]
    assert [item.score for item in event.items] == [0.5, 0.0, 0.0, 0.25]


@pytest.mark.parametrize("item_id", ['"],["', "a\\b", "日本"])
def test_ids_of_any_kind_are_kept(item_id: str) -> None:
    slate = msgspec.structs.replace(
        slate_of([[1.0], [2.0]]), items=(SlateItem(item_id, 0.5, ()), SlateItem("b", 0.25, ()))
    )
    assert [item.item_id for item in read(slate).items] == [item_id, "b"]


def test_impression_of_twenty_items_takes_some_fourteen_kilobytes() -> None:
    width = len(feature_names(ModelConfig()))
    table = np.random.default_rng(0).standard_normal((20, width)).tolist()
    entry = impression(shown("r" * 32, ASKED, slate_of(table), 7))
    assert 8_000 < len(entry.payload) < 16_000
