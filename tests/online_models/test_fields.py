"""The words that the catalogue has for an item."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from online_models.fields import BUCKETS, FIELDS, bucket_of, words_of
from schemas.events import ItemUpdate

texts = st.text(max_size=40)


@given(
    title=texts,
    categories=st.lists(texts, max_size=9).map(tuple),
    attributes=st.dictionaries(texts, texts | st.integers(-9, 9) | st.booleans(), max_size=9),
)
def test_words_are_few_and_each_comes_once_whatever_the_catalogue_says(
    title: str, categories: tuple[str, ...], attributes: dict[str, str | int | bool]
) -> None:
    update = ItemUpdate(item_id="i", title=title, categories=categories, attributes=attributes)
    words = words_of(update)
    assert len(words) == len(set(words)) <= FIELDS
    assert all(1 <= bucket_of(word) < BUCKETS for word in words)


def test_a_long_title_takes_only_the_room_that_other_fields_leave() -> None:
    title = " ".join(f"token{n}" for n in range(40))
    update = ItemUpdate(item_id="i", title=title, categories=("a", "b"), seller_id="ann")
    words = words_of(update)
    assert words[:4] == ("category=a", "category=b", "seller=ann", "title=token0")
    assert len(words) == FIELDS


def test_what_is_gone_or_not_described_has_no_words() -> None:
    assert words_of(None) == ()
    assert words_of(ItemUpdate(item_id="i")) == ()
    assert words_of(ItemUpdate(item_id="i", title="Tea", deleted=True)) == ()


def test_a_word_of_one_field_is_none_of_another() -> None:
    seller = ItemUpdate(item_id="i", seller_id="tea")
    assert set(words_of(seller)).isdisjoint(words_of(ItemUpdate(item_id="i", title="tea")))


def test_the_place_of_a_word_is_the_same_in_every_process() -> None:
    assert bucket_of("category=tea") == 31_144
