"""Settings: defaults, bounds, and what the stream rules take from them."""

from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from schemas.events import DEFAULT_KIND_WEIGHTS
from schemas.settings import Settings, StoreSettings, StreamSettings
from schemas.user_state import StreamRules


def sections() -> dict[str, type[BaseModel]]:
    return {name: field.annotation for name, field in Settings.model_fields.items()}


def test_every_setting_gives_a_reason_in_its_description() -> None:
    for name, section in sections().items():
        for key, field in section.model_fields.items():
            described = field.description or ""
            assert len(described) > 40, f"{name}.{key}"
            assert described.endswith("."), f"{name}.{key}"


def test_every_number_has_bounds() -> None:
    for name, section in sections().items():
        for key, field in section.model_fields.items():
            if field.annotation in (int, float):
                kinds = {type(mark).__name__ for mark in field.metadata}
                assert {"Ge", "Le"} <= kinds, f"{name}.{key} has only {kinds}"


def test_a_setting_can_not_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().flow.batch_size = 5  # type: ignore[misc]


def test_settings_built_directly_ignore_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RILLREC_SERVE__PORT", "1")
    monkeypatch.setenv("SERVE__PORT", "1")
    assert Settings().serve.port == 50_051


def test_configured_kind_weights_are_laid_over_the_defaults() -> None:
    rules = StreamSettings(kind_weights={"click": 2.0, "share": 4.0}).rules()
    assert rules.weight("click") == 2.0
    assert rules.weight("share") == 4.0
    assert rules.weight("purchase") == DEFAULT_KIND_WEIGHTS["purchase"]
    assert rules.weight("something else") == 1.0


def test_stream_settings_and_stream_rules_have_the_same_fields_and_defaults() -> None:
    assert set(StreamSettings.model_fields) == set(StreamRules.__struct_fields__)
    defaults = StreamSettings().model_dump() | {"kind_weights": DEFAULT_KIND_WEIGHTS}
    rules = StreamRules(kind_weights=DEFAULT_KIND_WEIGHTS)
    assert defaults == {name: getattr(rules, name) for name in StreamRules.__struct_fields__}


def test_the_home_directory_is_expanded() -> None:
    assert StoreSettings(data_dir="~/there").data_dir == Path.home() / "there"


def test_a_password_is_not_printed() -> None:
    settings = Settings(store={"redis_url": "redis://u:hunter2@h"})
    assert "hunter2" not in f"{settings!r} {settings} {settings.model_dump()}"
