from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from online_models.context_fields import FIELDS, ContextFields


def test_values_of_one_field_share_its_number_and_other_fields_have_others() -> None:
    fields = ContextFields(6)
    for slot, field in [(1, "device"), (2, "region"), (3, "device"), (4, "hour")]:
        fields.note(slot, field)
    assert fields.of(np.array([1, 3, 2, 4, 5])).tolist() == [0, 0, 1, 2, -1]


def test_a_field_that_is_followed_no_more_leaves_its_number_to_a_new_one() -> None:
    fields = ContextFields(4)
    fields.note(1, "device")
    fields.note(2, "region")
    fields.note(1, "hour")
    assert fields.of(np.array([1, 2])).tolist() == [0, 1]
    fields.note(3, "device")
    assert fields.of(np.array([3])).tolist() == [2]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 19), st.integers(0, 11)), max_size=60))
def test_no_two_followed_fields_have_the_same_number(given_slots: list[tuple[int, int]]) -> None:
    fields, held = ContextFields(20), dict[int, int]()
    for slot, field in given_slots:
        fields.note(slot, f"field{field}")
        held[slot] = field
        numbers = fields.of(np.array(list(held))).tolist()
        owners: dict[int, set[int]] = {}
        for number, owner in zip(numbers, held.values(), strict=True):
            owners.setdefault(number, set()).add(owner)
        owners.pop(-1, None)
        assert all(len(names) == 1 for names in owners.values())
        assert len(owners) <= FIELDS
