"""Reading settings: command line over environment over TOML file over defaults."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from schemas.errors import SettingsError
from schemas.settings import Settings

PREFIX = "RILLREC_"
CONFIG_VARIABLE = "RILLREC_CONFIG"
DEFAULT_FILE = "rillrec.toml"

Tree = dict[str, Any]


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
    from_environ = _read_environ(environ)
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
        where = _Whereabouts(said, from_environ, file)
        raise SettingsError("\n".join(_explain(error, where))) from None
    return Settings(**{name: getattr(loaded, name) for name in Settings.model_fields})


def environ_of(settings: Settings) -> dict[str, str]:
    """Return the variables that give another process these settings, where they aren't defaults.

    Examples
    --------
    >>> environ_of(Settings(serve={"port": 6000}))
    {'RILLREC_SERVE__PORT': '6000'}
    """
    return {
        f"{PREFIX}{name}__{key}".upper(): _text(getattr(section, key))
        for name, section in settings
        for key in sorted(section.model_fields_set)
    }


def _text(value: Any) -> str:
    match value:
        case SecretStr():
            return value.get_secret_value()
        case dict():
            inner = ", ".join(f"{_quoted(k)} = {_toml(v)}" for k, v in value.items())
            return f"{{{inner}}}"
    return str(value)


def _toml(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return _quoted(value)
        case list():
            return f"[{', '.join(map(_toml, value))}]"
    return repr(value)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


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


def _read_environ(environ: Mapping[str, str]) -> Tree:
    """Return the tree that ``RILLREC_SECTION__KEY`` variables spell, each of its field's type."""
    tree: Tree = {}
    for variable, text in sorted(environ.items()):
        if not variable.startswith(PREFIX) or variable == CONFIG_VARIABLE:
            continue
        names = [part.lower() for part in variable.removeprefix(PREFIX).split("__")]
        if not all(names) or not (len(names) == 2 or (len(names) == 3 and _is_table(names))):
            raise SettingsError(
                f"environment {variable}: no such setting; variables are called "
                f"{PREFIX}SECTION__KEY, such as RILLREC_SERVE__PORT"
            )
        section = tree.setdefault(names[0], {})
        if len(names) == 3:  # sorts behind the variable of the whole table, and wins over it
            section.setdefault(names[1], {})[names[2]] = _scalar(text)
        elif _is_table(names):
            section[names[1]] = _table(variable, text)
        else:
            section[names[1]] = _typed(names, text)
    return tree


def _is_table(names: list[str]) -> bool:
    field = _field(names[:2])
    return field is not None and isinstance(field.default, dict)


def _table(variable: str, text: str) -> Tree:
    value = _scalar(text)
    if not isinstance(value, dict):
        raise SettingsError(
            f"environment {variable} is {text[:80]!r}: it must be an inline table of TOML, such "
            f"as {{click = 1.5}}; or set {variable}__CLICK=1.5"
        )
    return value


def _typed(names: list[str], text: str) -> Any:
    """Return a variable's text as its field's type, or as it is where that fails."""
    field = _field(names)
    if field is None:
        return text
    adapter: TypeAdapter[Any] = TypeAdapter(field.rebuild_annotation())
    try:
        value = adapter.validate_strings(text)
    except ValidationError:
        return text
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def _scalar(text: str) -> Any:
    """Return what TOML would read: a number, a truth value, an inline table; else the text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _section(name: str) -> type[BaseModel] | None:
    field = Settings.model_fields.get(name)
    kind = field.annotation if field else None
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _field(names: list[str]) -> FieldInfo | None:
    section = _section(names[0])
    return section.model_fields.get(names[1]) if section and len(names) > 1 else None


class _Whereabouts:
    """Tells in which source a value stood."""

    def __init__(self, said: Tree, environ: Tree, file: Path | None) -> None:
        self._said, self._environ, self._file = said, environ, file

    def of(self, names: list[str]) -> str:
        if _holds(self._said, names):
            return f"option for {'.'.join(names)}"
        if _holds(self._environ, names):
            return f"environment {PREFIX}{'__'.join(names).upper()}"
        return f"{self._file}: {'.'.join(names)}"


def _holds(tree: Any, names: list[str]) -> bool:
    for name in names:
        if not isinstance(tree, dict) or name not in tree:
            return False
        tree = tree[name]
    return True


def _explain(error: ValidationError, where: _Whereabouts) -> Iterator[str]:
    told: set[tuple[str, ...]] = set()
    for problem in error.errors(include_url=False):
        names = [str(part) for part in problem["loc"]]
        if names[:2] == ["model", "hyper"]:
            names = names[:3]  # behind it comes the member of the union that did not match
        if tuple(names) in told:
            continue
        told.add(tuple(names))
        if problem["type"] == "extra_forbidden":
            yield f"{where.of(names)}: no such setting{_nearest(names)}"
            continue
        field = _field(names[:2])
        secret = field is not None and field.annotation is SecretStr
        value = "(a secret)" if secret else repr(problem["input"])[:80]
        message = (
            problem["msg"].removeprefix("Value error, ").replace("Input should be", "it must be")
        )
        if names[2:] and names[:2] == ["model", "hyper"]:
            message = "it must be a number, a truth value, text or a list of numbers"
        yield f"{where.of(names)} is {value}: {message}"


def _nearest(names: list[str]) -> str:
    section = _section(names[0]) if len(names) > 1 else Settings
    known = list(section.model_fields) if section else []
    close = get_close_matches(names[-1], known, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {'.'.join([*names[:-1], close[0]])}?"
    return f"; there are {', '.join(known)}"
