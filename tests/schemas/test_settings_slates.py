"""How slates are made can be said in TOML and in the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.errors import SettingsError
from schemas.settings import Settings
from schemas.settings_environ import environ_of
from schemas.settings_loading import load_settings
from schemas.slate_rules import SlateRules

SAID = """
[slates]
category_share = 0.25
pins = {0 = 'tea', 12 = 'milk'}
sponsored = ['a', 'b']
blocked_items = ["it's", 'say "no"']
blocked_categories = ['spirits']
"""


def said(tmp_path: Path, text: str) -> Settings:
    file = tmp_path / "rillrec.toml"
    file.write_text(text)
    return load_settings(file, environ={})


def test_defaults_are_those_of_the_rules() -> None:
    assert Settings().slates.rules() == SlateRules(explore_every=10)


def test_what_is_said_becomes_the_rules(tmp_path: Path) -> None:
    assert said(tmp_path, SAID).slates.rules() == SlateRules(
        explore_every=10,
        category_share=0.25,
        pins={0: "tea", 12: "milk"},
        sponsored=("a", "b"),
        blocked_items=frozenset({"it's", 'say "no"'}),
        blocked_categories=frozenset({"spirits"}),
    )


def test_a_child_process_is_told_the_same(tmp_path: Path) -> None:
    settings = said(tmp_path, SAID)
    nowhere = tmp_path / "empty"
    nowhere.mkdir()
    assert load_settings(environ=environ_of(settings), directory=nowhere) == settings


def test_lists_and_pins_are_spelt_as_toml_in_the_environment(tmp_path: Path) -> None:
    environ = {
        "RILLREC_SLATES__SPONSORED": '["a"]',
        "RILLREC_SLATES__PINS__3": "tea",
    }
    rules = load_settings(environ=environ, directory=tmp_path).slates.rules()
    assert (rules.sponsored, rules.pins) == (("a",), {3: "tea"})


@pytest.mark.parametrize("place", ["-1", "1000", "first", "²"])
def test_a_pin_that_names_no_place_is_refused(tmp_path: Path, place: str) -> None:
    with pytest.raises(SettingsError, match="is no place in a slate: use 0 to 999"):
        said(tmp_path, f"[slates]\npins = {{'{place}' = 'tea'}}\n")


def test_a_list_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="BLOCKED_ITEMS is 'tea': it must"):
        load_settings(environ={"RILLREC_SLATES__BLOCKED_ITEMS": "tea"}, directory=tmp_path)
