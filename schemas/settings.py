"""Settings: command line over environment over TOML over defaults, and nothing unknown.

A setting is named by its section and key: ``[flow] batch_size`` in ``rillrec.toml`` is
``RILLREC_FLOW__BATCH_SIZE`` in the environment. Tables (``stream.kind_weights``, ``model.hyper``)
take one more level: ``RILLREC_STREAM__KIND_WEIGHTS__CLICK=1.5``.
"""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from schemas.events import DEFAULT_KIND_WEIGHTS
from schemas.keys import Keys
from schemas.model_config import ModelConfig
from schemas.settings_kafka import KafkaSettings
from schemas.settings_section import Section
from schemas.settings_slates import SlatesSettings
from schemas.user_state import StreamRules

Port = Annotated[int, Field(ge=0, le=65_535)]
Weight = Annotated[float, Field(ge=0, le=1_000)]
Hyper = bool | int | float | str | list[float]


def _model_config(hyper: dict[str, Hyper]) -> dict[str, Hyper]:
    """Refuse what ``ModelConfig`` does not know or allow."""
    names = [name for name in ModelConfig.__struct_fields__ if name not in ("unit", "repeats")]
    for name in hyper:
        if name not in names:
            close = get_close_matches(name, names, n=1, cutoff=0.0)
            raise ValueError(f"no hyper-parameter is called {name!r}; did you mean {close[0]!r}?")
    msgspec.convert(hyper, ModelConfig)
    return hyper


def _usable_name(name: str) -> str:
    return Keys(name).name


def _redis_url(url: SecretStr) -> SecretStr:
    text = url.get_secret_value()
    if text and not text.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("a Redis URL starts with redis://, rediss:// or unix://")
    try:
        port = urlsplit(text).port
    except ValueError:
        port = 0
    if port == 0:
        raise ValueError("the port of a Redis URL is a number from 1 to 65535")
    return url


class StoreSettings(Section):
    """Where user states, the model and the event log are kept."""

    redis_url: Annotated[SecretStr, AfterValidator(_redis_url)] = Field(
        default=SecretStr(""),
        description="Redis of your own (redis://[user:password@]host:port/db). Empty: a Redis is "
        "started in data_dir, so that a laptop needs nothing else. May hold a password: a secret.",
    )
    data_dir: Annotated[
        Path, Field(strict=False), AfterValidator(lambda path: path.expanduser())
    ] = Field(
        default_factory=lambda: Path("~/.local/share/rillrec").expanduser(),
        description="Directory of the embedded Redis: its socket, its append-only file. Unused "
        "with a redis_url.",
    )
    user_ttl_s: int = Field(
        default=90 * 86_400,
        ge=3_600,
        le=10 * 365 * 86_400,
        description="Seconds after its last event until a user's state is dropped, which bounds "
        "Redis. Keep it above the time that a replay of the source may reach back.",
    )
    forget_memory_s: int = Field(
        default=400 * 86_400,
        ge=86_400,
        le=100 * 365 * 86_400,
        description="Seconds for which it is remembered, by a keyed hash, that a user was "
        "forgotten. Keep it above the time that a replay of the source may reach back: older "
        "events of such a user would count again. 100 to 200 bytes of Redis a user.",
    )


class StreamSettings(Section):
    """How events are read. Changing these on a trained model mixes two meanings: replay instead."""

    unit: Literal["session", "user"] = Field(
        default="session",
        description="What is learnt and recommended: the next item within the session, or the "
        "user's next item. Sessions suit shops and news; users suit ratings and long histories.",
    )
    repeats: Literal["", "allow", "exclude"] = Field(
        default="",
        description="Whether items that the unit holds already may be recommended. Empty takes "
        "what suits the unit: allow for sessions, exclude for users.",
    )
    session_gap_ms: int = Field(
        default=1_800_000,
        ge=1_000,
        le=7 * 86_400_000,
        description="Milliseconds of silence that end a session, where the producer sends no "
        "session_id. 30 minutes is what web analytics cuts by.",
    )
    allowed_lateness_ms: int = Field(
        default=3_600_000,
        ge=0,
        le=30 * 86_400_000,
        description="Milliseconds by which an event may be older than its user's newest "
        "interaction. More goes to the dead letters, as the history can't be rewritten for ever.",
    )
    kind_weights: dict[str, Weight] = Field(
        default={},
        description="What an interaction counts by its kind, 0 to 1000, laid over the defaults "
        f"{DEFAULT_KIND_WEIGHTS}. Kinds of weight 0 are no feedback to learn from.",
    )
    default_kind_weight: Weight = Field(
        default=1.0,
        description="What kinds count that kind_weights does not name: the set of kinds is open.",
    )
    history_length: int = Field(
        default=50,
        ge=1,
        le=1_000,
        description="Newest visits kept of a user in full. Bounds Redis: about 800 bytes for 50.",
    )
    older_length: int = Field(
        default=1_000,
        ge=0,
        le=100_000,
        description="Item ids kept beyond history_length, so that they stay excluded.",
    )
    open_sessions: int = Field(
        default=8,
        ge=1,
        le=64,
        description="Sessions per user that may alternate; the one silent longest is closed.",
    )
    recent_ids: int = Field(
        default=32,
        ge=0,
        le=1_024,
        description="Event ids per user among which a repeated one is known as a duplicate. Keep "
        "it above the number of events that a producer may retry at once.",
    )
    feedback_window_ms: int = Field(
        default=1_800_000,
        ge=1_000,
        le=7 * 86_400_000,
        description="Milliseconds of event time that a slate waits for its answers, and that an "
        "answer waits for its slate. Longer catches more of them, and keeps more slates in Redis.",
    )

    def rules(self) -> StreamRules:
        """Return these settings as the rules that the session step follows."""
        fields = self.model_dump()
        return StreamRules(**{**fields, "kind_weights": DEFAULT_KIND_WEIGHTS | self.kind_weights})


class ModelSettings(Section):
    """Which model, and its hyper-parameters."""

    name: Annotated[str, AfterValidator(_usable_name)] = Field(
        default="default",
        description="Prefix of every Redis key of this model: letters, digits, '-' and '_', at "
        "most 64. Two models of different names share a Redis without touching each other.",
    )
    hyper: Annotated[dict[str, Hyper], AfterValidator(_model_config)] = Field(
        default={},
        description="Hyper-parameters by the names of `ModelConfig`, which documents them and "
        "their bounds. They fix a new model's shapes; a published one keeps those it has.",
    )

    def config(self) -> ModelConfig:
        """Return the hyper-parameters as the model takes them."""
        return msgspec.convert(self.hyper, ModelConfig)


class ServeSettings(Section):
    """The scorer."""

    host: str = Field(
        default="127.0.0.1",
        min_length=1,
        max_length=255,
        description="Address to listen on. There is no authentication: 0.0.0.0 opens it to all.",
    )
    port: Port = Field(
        default=50_051,
        description="TCP port of gRPC; 0 takes a free one, which is then printed.",
    )
    metrics_port: Port = Field(
        default=9_464,
        description="TCP port of the scorer's Prometheus metrics; 0 turns them off.",
    )
    log_impressions: bool = Field(
        default=True,
        description="Whether each slate becomes an impression event once it is served: with the "
        "interactions that name its request, the ranker learns from what was passed over.",
    )


class FlowSettings(Section):
    """The dataflow."""

    batch_size: int = Field(
        default=4_000,
        ge=1,
        le=100_000,
        description="Events read from the source at once. More is faster, until a batch takes "
        "longer than the freshness that you want. It never changes what is learnt.",
    )
    publish_interval_ms: int = Field(
        default=250,
        ge=10,
        le=60_000,
        description="Milliseconds between publishes of what was learnt: scorers are at most this "
        "far behind. Less means more, smaller messages.",
    )
    micro_batch_wait_ms: int = Field(
        default=50,
        ge=1,
        le=60_000,
        description="Milliseconds after which a micro-batch that is not full is trained on all "
        "the same, so that a quiet stream is learnt from too.",
    )
    metrics_port: Port = Field(
        default=9_465,
        description="TCP port of the flow's Prometheus metrics, on serve.host; 0 turns them off.",
    )


class Settings(BaseSettings):
    """All settings. Built directly it reads nothing: ``schemas.settings_loading`` does.

    Examples
    --------
    >>> Settings().flow.publish_interval_ms
    250
    >>> Settings(stream=StreamSettings(kind_weights={"click": 2.0})).stream.rules().weight("click")
    2.0
    """

    model_config = SettingsConfigDict(frozen=True, extra="forbid", strict=True)

    store: StoreSettings = Field(default_factory=StoreSettings)
    stream: StreamSettings = Field(default_factory=StreamSettings)
    model: ModelSettings = Field(default_factory=ModelSettings)
    slates: SlatesSettings = Field(default_factory=SlatesSettings)
    serve: ServeSettings = Field(default_factory=ServeSettings)
    flow: FlowSettings = Field(default_factory=FlowSettings)
    kafka: KafkaSettings = Field(default_factory=KafkaSettings)

    def shapes(self) -> ModelConfig:
        """Return what fixes a new model: the hyper-parameters, and how the stream is read."""
        return msgspec.structs.replace(
            self.model.config(), unit=self.stream.unit, repeats=self.stream.repeats
        )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)
