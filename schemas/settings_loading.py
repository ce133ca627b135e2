"""Reading settings: command line over environment over TOML file over defaults."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from schemas.errors import SettingsError
from schemas.settings import Settings
from schemas.settings_complaints import Whereabouts, explain
from schemas.settings_environ import CONFIG_VARIABLE, Tree, read_environ

DEFAULT_FILE = "rillrec.toml"


def load_settings(
    path: Path | None = None,
    *,
    environ: Mapping[str, str],
    options: Mapping[str, Mapping[str, Any]] | None = None,
    directory: Path | None = None,
) -> Settings:
    """Return the settings of this process.

    Parameters
    ----------
    path
        A TOML file. ``None``: the one that ``RILLREC_CONFIG`` names, else ``rillrec.toml`` in
        ``directory`` (the current one), where there is one.
    environ
        The environment; of it, ``RILLREC_SECTION__KEY`` is read.
    options
        Section to key to value: what the command line says outright. It wins.

    Raises
    ------
    SettingsError
        A file can't be read, or a key is unknown, mistyped or out of range; one line for each,
        with where it stands, its value, and what to do.
    """
    file = _file(path, environ, directory or Path())
    from_file = _read(file) if file else {}
    from_environ = read_environ(environ)
    said = {name: dict(section) for name, section in (options or {}).items() if section}

    class Loaded(Settings):
        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], *_: Any, **__: Any
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return tuple(_Tree(settings_cls, tree) for tree in (said, from_environ, from_file))

    try:
        loaded = Loaded()
    except ValidationError as error:
        where = Whereabouts(said, from_environ, file)
        raise SettingsError("\n".join(explain(error, where))) from None
    return Settings(**{name: getattr(loaded, name) for name in Settings.model_fields})


class _Tree(PydanticBaseSettingsSource):
    """A source that is a mapping already."""

    def __init__(self, settings_cls: type[BaseSettings], tree: Tree) -> None:
        super().__init__(settings_cls)
        self._tree = tree

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return self._tree.get(field_name), field_name, False

    def __call__(self) -> Tree:
        return self._tree


def _file(path: Path | None, environ: Mapping[str, str], directory: Path) -> Path | None:
    if path is None and environ.get(CONFIG_VARIABLE):
        path = Path(environ[CONFIG_VARIABLE])
    if path is not None:
        return path.expanduser()
    default = directory / DEFAULT_FILE
    return default if default.exists() else None


def _read(file: Path) -> Tree:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(
            f"{file}: can't be read ({error.strerror}); give a readable TOML file to --config"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: not valid TOML: {error}; correct that line") from None
