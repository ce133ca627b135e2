"""Redis keys: one prefix per model, one hash slot per shard."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.keys import SHARDS, Keys, shard_of, shards


def slot(key: str) -> str:
    """Return what Redis Cluster hashes of a key: what is between the first braces."""
    return key.partition("{")[2].partition("}")[0]


@given(st.text(min_size=1, max_size=30))
def test_every_user_has_one_of_the_shards(user_id: str) -> None:
    assert shard_of(user_id) in shards()


def test_shards_are_the_same_in_every_process_and_release() -> None:
    assert [shard_of(user) for user in ("u1", "u2", "é")] == ["s54", "s12", "s62"]
    assert len(shards()) == len(set(shards())) == SHARDS == 64


@given(st.text(min_size=1, max_size=30))
def test_a_user_lies_in_the_slot_of_its_shards_marks_and_dead_letters(user_id: str) -> None:
    keys = Keys("shop")
    shard = shard_of(user_id)
    wanted = f"shop:{shard}"
    assert [slot(k) for k in (keys.user(user_id), keys.marks(shard), keys.dead(shard))] == [
        wanted,
        wanted,
        wanted,
    ]


def test_what_is_written_with_the_log_lies_in_its_slot() -> None:
    keys = Keys("shop")
    together = [keys.log, keys.low, keys.bases, keys.base(3), keys.staged, keys.owner, keys.events]
    assert {slot(key) for key in together} == {"shop"}
    assert len(set(together)) == len(together)


def test_keys_of_two_models_never_meet() -> None:
    assert Keys("a").user("b") != Keys("a-b").user("b")
    assert Keys("a").log != Keys("b").log


@pytest.mark.parametrize("name", ["", "a b", "a{b}", "a:b", "x" * 65])
def test_a_name_that_breaks_the_layout_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is unusable: take letters, digits, '-' and '_'") as told:
        Keys(name)
    assert repr(name) in str(told.value)
