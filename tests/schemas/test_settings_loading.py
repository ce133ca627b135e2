"""Where settings come from, which source wins, and what an error says."""

import math
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from schemas.errors import SettingsError
from schemas.settings import (
    ModelSettings,
    ServeSettings,
    Settings,
    StoreSettings,
    StreamSettings,
)
from schemas.settings_environ import environ_of
from schemas.settings_loading import load_settings


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    return tmp_path / "rillrec.toml"


def refusal(environ: dict[str, str] | None = None, *, path: Path | None = None, **k: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(path, environ=environ or {}, directory=Path("/nonexistent"), **k)
    return str(caught.value)


def test_options_win_over_environment_over_file_over_defaults(toml: Path) -> None:
    toml.write_text("[serve]\nport = 1\nmetrics_port = 1\nhost = 'a'\n[flow]\nbatch_size = 7\n")
    environ = {"RILLREC_SERVE__PORT": "2", "RILLREC_SERVE__METRICS_PORT": "2", "HOME": "/x"}
    settings = load_settings(toml, environ=environ, options={"serve": {"port": 3}, "flow": {}})
    assert settings.serve.port == 3
    assert settings.serve.metrics_port == 2
    assert settings.serve.host == "a"
    assert settings.flow.batch_size == 7
    assert settings.flow.publish_interval_ms == Settings().flow.publish_interval_ms


def test_the_file_in_the_directory_is_read_unless_another_is_named(toml: Path) -> None:
    toml.write_text("[serve]\nport = 1\n")
    other = toml.with_name("other.toml")
    other.write_text("[serve]\nport = 2\n")
    assert load_settings(environ={}, directory=toml.parent).serve.port == 1
    named = {"RILLREC_CONFIG": str(other)}
    assert load_settings(environ=named, directory=toml.parent).serve.port == 2
    assert load_settings(toml, environ=named).serve.port == 1


def test_nothing_said_gives_the_defaults(tmp_path: Path) -> None:
    assert load_settings(environ={}, directory=tmp_path) == Settings()


def test_variables_are_read_as_what_their_setting_is() -> None:
    settings = load_settings(
        environ={
            "RILLREC_MODEL__NAME": "123",
            "RILLREC_FLOW__BATCH_SIZE": "5",
            "RILLREC_STREAM__DEFAULT_KIND_WEIGHT": "0.5",
            "RILLREC_STREAM__UNIT": "user",
            "RILLREC_STORE__DATA_DIR": "/data",
            "RILLREC_STORE__REDIS_URL": "redis://:hunter2@h",
            "RILLREC_STREAM__KIND_WEIGHTS": "{click = 3, view = 1.0}",
            "RILLREC_STREAM__KIND_WEIGHTS__VIEW": "0",
            "RILLREC_MODEL__HYPER__DIMENSIONS": "32",
            "RILLREC_MODEL__HYPER__RULE_HALF_LIVES_MS": "[60000.0, inf]",
        }
    )
    assert settings.model.name == "123"
    assert settings.flow.batch_size == 5
    assert settings.stream.default_kind_weight == 0.5
    assert settings.stream.unit == "user"
    assert settings.store.data_dir == Path("/data")
    assert settings.store.redis_url.get_secret_value() == "redis://:hunter2@h"
    assert settings.stream.kind_weights == {"click": 3.0, "view": 0.0}
    assert settings.model.config().dimensions == 32
    assert settings.model.config().rule_half_lives_ms == (60_000.0, math.inf)


def test_an_unknown_key_is_refused_with_the_nearest_one(toml: Path) -> None:
    toml.write_text("[flow]\nbach_size = 5\n[serv]\nport = 1\n[store]\nqqq = 1\n")
    said = refusal(path=toml)
    assert f"{toml}: flow.bach_size: no such setting; did you mean flow.batch_size?" in said
    assert f"{toml}: serv: no such setting; did you mean serve?" in said
    assert f"{toml}: store.qqq: no such setting; there are redis_url, data_dir, user_ttl_s" in said


def test_an_unknown_variable_is_refused_with_the_nearest_one() -> None:
    assert refusal({"RILLREC_FLOW__BACH_SIZE": "5"}) == (
        "environment RILLREC_FLOW__BACH_SIZE: no such setting; did you mean flow.batch_size?"
    )


@pytest.mark.parametrize(
    "variable",
    ["RILLREC_PORT", "RILLREC_SERVE__", "RILLREC_SERVE__PORT__X", "RILLREC_A__B__C__D"],
)
def test_a_variable_that_can_not_be_a_setting_is_refused(variable: str) -> None:
    assert refusal({variable: "1", "RILLREC_SERVE__PORT": "1"}) == (
        f"environment {variable}: no such setting; variables are called RILLREC_SECTION__KEY, "
        "such as RILLREC_SERVE__PORT"
    )


def test_a_table_that_is_no_table_is_refused() -> None:
    assert refusal({"RILLREC_MODEL__HYPER": "64"}) == (
        "environment RILLREC_MODEL__HYPER is '64': it must be an inline table of TOML, such as "
        "{click = 1.5}; or set RILLREC_MODEL__HYPER__CLICK=1.5"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[flow]\nbatch_size = '5'", "flow.batch_size is '5': it must be a valid integer"),
        (
            "[flow]\nbatch_size = 0",
            "flow.batch_size is 0: it must be greater than or equal to 1",
        ),
        ("[serve]\nhost = ''", "serve.host is '': it must have at least 1 character"),
        ("[stream]\nunit = 'page'", "stream.unit is 'page': it must be 'session' or 'user'"),
        (
            "[stream.kind_weights]\nclick = -1",
            "stream.kind_weights.click is -1: it must be greater than or equal to 0",
        ),
        (
            "[model]\nname = 'a b'",
            "model.name is 'a b': model name 'a b' is unusable: take letters, digits, '-' and "
            "'_', at most 64",
        ),
        (
            "[model.hyper]\nhidden = ['a']",
            "model.hyper.hidden is ['a']: it must be a number, a truth value, text or a list of "
            "numbers",
        ),
        (
            "[model.hyper]\ndimension = 8",
            "model.hyper is {'dimension': 8}: no hyper-parameter is called 'dimension'; did you "
            "mean 'dimensions'?",
        ),
        (
            "[model.hyper]\ndimensions = 0",
            "model.hyper is {'dimensions': 0}: dimensions is 0, it must be at least 1",
        ),
        (
            "[model.hyper]\ndimensions = 'many'",
            "model.hyper is {'dimensions': 'many'}: Expected `int`, got `str` - at `$.dimensions`",
        ),
        (
            "[store]\nredis_url = 'http://:hunter2@h'",
            "store.redis_url is (a secret): a Redis URL starts with redis://, rediss:// or unix://",
        ),
        (
            "[store]\nredis_url = 'redis://:hunter2@h:99999'",
            "store.redis_url is (a secret): the port of a Redis URL is a number from 1 to 65535",
        ),
    ],
)
def test_a_bad_value_is_named_with_file_key_and_bound(toml: Path, text: str, expected: str) -> None:
    toml.write_text(text)
    assert refusal(path=toml) == f"{toml}: {expected}"


def test_a_bad_variable_is_named_as_it_is_spelt() -> None:
    assert refusal({"RILLREC_FLOW__BATCH_SIZE": "many"}) == (
        "environment RILLREC_FLOW__BATCH_SIZE is 'many': it must be a valid integer"
    )


kinds = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=5)


@given(
    st.builds(
        StreamSettings,
        unit=st.sampled_from(["session", "user"]),
        kind_weights=st.dictionaries(kinds, st.floats(0, 1_000), max_size=3),
        session_gap_ms=st.integers(1_000, 10_000),
    ),
    st.sampled_from(["", "redis://:hunter2@h:1/2"]),
    st.lists(st.floats(1, allow_nan=False), min_size=1, max_size=3),
)
def test_another_process_can_be_given_the_same_settings(
    stream: StreamSettings, url: str, half_lives_ms: list[float]
) -> None:
    settings = Settings(
        store=StoreSettings(redis_url=SecretStr(url), data_dir=Path("/some where")),
        stream=stream,
        model=ModelSettings(name="1", hyper={"rule_half_lives_ms": half_lives_ms, "seed": 3}),
        serve=ServeSettings(port=0),
    )
    environ = environ_of(settings) | {"RILLREC_CONFIG": os.devnull}
    assert load_settings(environ=environ) == settings


def test_a_bad_option_is_named_as_an_option() -> None:
    assert refusal(options={"serve": {"port": 70_000}}) == (
        "option for serve.port is 70000: it must be less than or equal to 65535"
    )


def test_a_secret_in_the_environment_is_not_told() -> None:
    assert "hunter2" not in refusal({"RILLREC_STORE__REDIS_URL": "http://:hunter2@h"})


def test_a_file_that_is_not_there_is_named(toml: Path) -> None:
    assert refusal(path=toml) == (
        f"{toml}: can't be read (No such file or directory); give a readable TOML file to --config"
    )


@pytest.mark.parametrize("content", [b"[flow\n", b"\xff\xfe"])
def test_a_file_that_is_no_toml_is_named(toml: Path, content: bytes) -> None:
    toml.write_bytes(content)
    said = refusal(path=toml)
    assert said.startswith(f"{toml}: not valid TOML: ")
    assert said.endswith("; correct that line")
