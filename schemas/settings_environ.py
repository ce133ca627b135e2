"""Settings as environment variables: ``[flow] batch_size`` is ``RILLREC_FLOW__BATCH_SIZE``."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, SecretStr, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from schemas.errors import SettingsError
from schemas.settings import Settings

PREFIX = "RILLREC_"
CONFIG_VARIABLE = "RILLREC_CONFIG"
TEST_PREFIX = "RILLREC_TEST_"
"""Of what is said to the tests and benches, and is no setting."""

Tree = dict[str, Any]


def read_environ(environ: Mapping[str, str]) -> Tree:
    """Return the tree that ``RILLREC_SECTION__KEY`` variables spell, each of its field's type."""
    tree: Tree = {}
    for variable, text in sorted(environ.items()):
        if not variable.startswith(PREFIX) or variable == CONFIG_VARIABLE:
            continue
        if variable.startswith(TEST_PREFIX):
            continue
        names = [part.lower() for part in variable.removeprefix(PREFIX).split("__")]
        if not all(names) or not (len(names) == 2 or (len(names) == 3 and _is_table(names))):
            raise SettingsError(
                f"environment {variable}: no such setting; variables are called "
                f"{PREFIX}SECTION__KEY, such as RILLREC_SERVE__PORT"
            )
        section = tree.setdefault(names[0], {})
        if len(names) == 3:  # sorts behind the variable of the whole table, and wins over it
            value = text if _is_secret(names) else _scalar(text)
            section.setdefault(names[1], {})[names[2]] = value
        elif _is_table(names):
            section[names[1]] = _table(variable, text, secret=_is_secret(names))
        else:
            section[names[1]] = _typed(names, text)
    return tree


def _is_table(names: list[str]) -> bool:
    field = field_of(names[:2])
    return field is not None and isinstance(field.default, dict)


def _is_secret(names: list[str]) -> bool:
    field = field_of(names[:2])
    return field is not None and "SecretStr" in str(field.annotation)


def _table(variable: str, text: str, *, secret: bool) -> Tree:
    value = _scalar(text)
    if not isinstance(value, dict):
        shown, key = ("(a secret)", "SASL_USERNAME") if secret else (repr(text[:80]), "CLICK")
        example = "'sasl.username' = 'me'" if secret else "click = 1.5"
        raise SettingsError(
            f"environment {variable} is {shown}: it must be an inline table of TOML, such "
            f"as {{{example}}}; or set {variable}__{key}={example.split(' = ')[1]}"
        )
    return value


def _typed(names: list[str], text: str) -> Any:
    """Return a variable's text as its field's type, or as it is where that fails."""
    field = field_of(names)
    if field is None:
        return text
    adapter: TypeAdapter[Any] = TypeAdapter(field.rebuild_annotation())
    try:
        value = adapter.validate_strings(text)
    except ValidationError:
        value = _scalar(text)
        return value if isinstance(value, list) else text
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def _scalar(text: str) -> Any:
    """Return what TOML would read: a number, a truth value, an inline table; else the text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


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
        case list():
            return _toml(value)
    return str(value)


def _toml(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case SecretStr():
            return _quoted(value.get_secret_value())
        case str():
            return _quoted(value)
        case list():
            return f"[{', '.join(map(_toml, value))}]"
    return repr(value)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def section_of(name: str) -> type[BaseModel] | None:
    """Return the class of a section of the settings, ``None`` where there is none."""
    field = Settings.model_fields.get(name)
    kind = field.annotation if field else None
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def field_of(names: list[str]) -> FieldInfo | None:
    """Return the field that a section and a key name, ``None`` where there is none."""
    section = section_of(names[0])
    return section.model_fields.get(names[1]) if section and len(names) > 1 else None
