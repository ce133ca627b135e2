"""The commented example of deploy/ names every setting, with its default."""

import re
from pathlib import Path

from schemas.settings import Settings
from schemas.settings_loading import load_settings

EXAMPLE = Path(__file__).parents[2] / "deploy" / "rillrec.toml"


def test_the_example_changes_nothing_as_it_is() -> None:
    assert load_settings(EXAMPLE, environ={}) == Settings()


def test_the_example_holds_every_setting_with_its_default(tmp_path: Path) -> None:
    file = tmp_path / "all.toml"
    file.write_text(re.sub(r"(?m)^#(?=\w+ = )", "", EXAMPLE.read_text()))
    settings = load_settings(file, environ={})
    assert settings == Settings()
    for name in Settings.model_fields:
        section = getattr(settings, name)
        assert section.model_fields_set == set(type(section).model_fields), name


def test_the_example_explains_each_setting_as_its_field_does() -> None:
    prose = re.sub(r"\s+", " ", EXAMPLE.read_text().replace("\n# ", " "))
    for field in Settings.model_fields.values():
        for key, setting in field.annotation.model_fields.items():
            assert setting.description in prose, key
