from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SourcePosition(_message.Message):
    __slots__ = ("topic", "partition", "offset")
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    PARTITION_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    topic: str
    partition: int
    offset: int
    def __init__(self, topic: _Optional[str] = ..., partition: _Optional[int] = ..., offset: _Optional[int] = ...) -> None: ...

class RecommendRequest(_message.Message):
    __slots__ = ("user_id", "k", "context", "time_ms", "after", "session_id", "rules")
    class ContextEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    TIME_MS_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    RULES_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    k: int
    context: _containers.ScalarMap[str, str]
    time_ms: int
    after: str
    session_id: str
    rules: SlateRules
    def __init__(self, user_id: _Optional[str] = ..., k: _Optional[int] = ..., context: _Optional[_Mapping[str, str]] = ..., time_ms: _Optional[int] = ..., after: _Optional[str] = ..., session_id: _Optional[str] = ..., rules: _Optional[_Union[SlateRules, _Mapping]] = ...) -> None: ...

class SlateRules(_message.Message):
    __slots__ = ("category_share", "seller_share", "diversity", "freshness", "pins", "sponsored", "most_sponsored", "sponsored_from", "blocked_items", "blocked_categories", "explore_every")
    class PinsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: str
        def __init__(self, key: _Optional[int] = ..., value: _Optional[str] = ...) -> None: ...
    CATEGORY_SHARE_FIELD_NUMBER: _ClassVar[int]
    SELLER_SHARE_FIELD_NUMBER: _ClassVar[int]
    DIVERSITY_FIELD_NUMBER: _ClassVar[int]
    FRESHNESS_FIELD_NUMBER: _ClassVar[int]
    PINS_FIELD_NUMBER: _ClassVar[int]
    SPONSORED_FIELD_NUMBER: _ClassVar[int]
    MOST_SPONSORED_FIELD_NUMBER: _ClassVar[int]
    SPONSORED_FROM_FIELD_NUMBER: _ClassVar[int]
    BLOCKED_ITEMS_FIELD_NUMBER: _ClassVar[int]
    BLOCKED_CATEGORIES_FIELD_NUMBER: _ClassVar[int]
    EXPLORE_EVERY_FIELD_NUMBER: _ClassVar[int]
    category_share: float
    seller_share: float
    diversity: float
    freshness: float
    pins: _containers.ScalarMap[int, str]
    sponsored: _containers.RepeatedScalarFieldContainer[str]
    most_sponsored: int
    sponsored_from: int
    blocked_items: _containers.RepeatedScalarFieldContainer[str]
    blocked_categories: _containers.RepeatedScalarFieldContainer[str]
    explore_every: int
    def __init__(self, category_share: _Optional[float] = ..., seller_share: _Optional[float] = ..., diversity: _Optional[float] = ..., freshness: _Optional[float] = ..., pins: _Optional[_Mapping[int, str]] = ..., sponsored: _Optional[_Iterable[str]] = ..., most_sponsored: _Optional[int] = ..., sponsored_from: _Optional[int] = ..., blocked_items: _Optional[_Iterable[str]] = ..., blocked_categories: _Optional[_Iterable[str]] = ..., explore_every: _Optional[int] = ...) -> None: ...

class ScoredItem(_message.Message):
    __slots__ = ("item_id", "score", "sources", "title", "rules", "sponsored")
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    RULES_FIELD_NUMBER: _ClassVar[int]
    SPONSORED_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    score: float
    sources: _containers.RepeatedScalarFieldContainer[str]
    title: str
    rules: _containers.RepeatedScalarFieldContainer[str]
    sponsored: bool
    def __init__(self, item_id: _Optional[str] = ..., score: _Optional[float] = ..., sources: _Optional[_Iterable[str]] = ..., title: _Optional[str] = ..., rules: _Optional[_Iterable[str]] = ..., sponsored: _Optional[bool] = ...) -> None: ...

class RecommendResponse(_message.Message):
    __slots__ = ("request_id", "items", "degraded", "model_version", "user_positions", "model_positions", "known_user", "relaxed")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    USER_POSITIONS_FIELD_NUMBER: _ClassVar[int]
    MODEL_POSITIONS_FIELD_NUMBER: _ClassVar[int]
    KNOWN_USER_FIELD_NUMBER: _ClassVar[int]
    RELAXED_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    items: _containers.RepeatedCompositeFieldContainer[ScoredItem]
    degraded: _containers.RepeatedScalarFieldContainer[str]
    model_version: int
    user_positions: _containers.RepeatedCompositeFieldContainer[SourcePosition]
    model_positions: _containers.RepeatedCompositeFieldContainer[SourcePosition]
    known_user: bool
    relaxed: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, request_id: _Optional[str] = ..., items: _Optional[_Iterable[_Union[ScoredItem, _Mapping]]] = ..., degraded: _Optional[_Iterable[str]] = ..., model_version: _Optional[int] = ..., user_positions: _Optional[_Iterable[_Union[SourcePosition, _Mapping]]] = ..., model_positions: _Optional[_Iterable[_Union[SourcePosition, _Mapping]]] = ..., known_user: _Optional[bool] = ..., relaxed: _Optional[_Iterable[str]] = ...) -> None: ...

class ScoreRequest(_message.Message):
    __slots__ = ("user_id", "item_ids", "context", "time_ms", "after", "session_id")
    class ContextEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    ITEM_IDS_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    TIME_MS_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    item_ids: _containers.RepeatedScalarFieldContainer[str]
    context: _containers.ScalarMap[str, str]
    time_ms: int
    after: str
    session_id: str
    def __init__(self, user_id: _Optional[str] = ..., item_ids: _Optional[_Iterable[str]] = ..., context: _Optional[_Mapping[str, str]] = ..., time_ms: _Optional[int] = ..., after: _Optional[str] = ..., session_id: _Optional[str] = ...) -> None: ...

class ScoreResponse(_message.Message):
    __slots__ = ("scores", "model_version", "user_positions", "model_positions", "degraded")
    SCORES_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    USER_POSITIONS_FIELD_NUMBER: _ClassVar[int]
    MODEL_POSITIONS_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    scores: _containers.RepeatedCompositeFieldContainer[ItemScore]
    model_version: int
    user_positions: _containers.RepeatedCompositeFieldContainer[SourcePosition]
    model_positions: _containers.RepeatedCompositeFieldContainer[SourcePosition]
    degraded: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, scores: _Optional[_Iterable[_Union[ItemScore, _Mapping]]] = ..., model_version: _Optional[int] = ..., user_positions: _Optional[_Iterable[_Union[SourcePosition, _Mapping]]] = ..., model_positions: _Optional[_Iterable[_Union[SourcePosition, _Mapping]]] = ..., degraded: _Optional[_Iterable[str]] = ...) -> None: ...

class ItemScore(_message.Message):
    __slots__ = ("item_id", "score")
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    score: float
    def __init__(self, item_id: _Optional[str] = ..., score: _Optional[float] = ...) -> None: ...

class SimilarItemsRequest(_message.Message):
    __slots__ = ("item_id", "k", "context")
    class ContextEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    k: int
    context: _containers.ScalarMap[str, str]
    def __init__(self, item_id: _Optional[str] = ..., k: _Optional[int] = ..., context: _Optional[_Mapping[str, str]] = ...) -> None: ...

class SimilarItemsResponse(_message.Message):
    __slots__ = ("items", "model_version", "model_positions", "degraded")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    MODEL_POSITIONS_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[ScoredItem]
    model_version: int
    model_positions: _containers.RepeatedCompositeFieldContainer[SourcePosition]
    degraded: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, items: _Optional[_Iterable[_Union[ScoredItem, _Mapping]]] = ..., model_version: _Optional[int] = ..., model_positions: _Optional[_Iterable[_Union[SourcePosition, _Mapping]]] = ..., degraded: _Optional[_Iterable[str]] = ...) -> None: ...

class ExplainRequest(_message.Message):
    __slots__ = ("user_id", "item_id", "k", "context", "time_ms", "after", "session_id", "rules")
    class ContextEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    TIME_MS_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    RULES_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    item_id: str
    k: int
    context: _containers.ScalarMap[str, str]
    time_ms: int
    after: str
    session_id: str
    rules: SlateRules
    def __init__(self, user_id: _Optional[str] = ..., item_id: _Optional[str] = ..., k: _Optional[int] = ..., context: _Optional[_Mapping[str, str]] = ..., time_ms: _Optional[int] = ..., after: _Optional[str] = ..., session_id: _Optional[str] = ..., rules: _Optional[_Union[SlateRules, _Mapping]] = ...) -> None: ...

class SourceWord(_message.Message):
    __slots__ = ("name", "proposed", "score", "rank")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PROPOSED_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    RANK_FIELD_NUMBER: _ClassVar[int]
    name: str
    proposed: bool
    score: float
    rank: int
    def __init__(self, name: _Optional[str] = ..., proposed: _Optional[bool] = ..., score: _Optional[float] = ..., rank: _Optional[int] = ...) -> None: ...

class PastItem(_message.Message):
    __slots__ = ("item_id", "share")
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    share: float
    def __init__(self, item_id: _Optional[str] = ..., share: _Optional[float] = ...) -> None: ...

class SharedWord(_message.Message):
    __slots__ = ("word", "share")
    WORD_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    word: str
    share: float
    def __init__(self, word: _Optional[str] = ..., share: _Optional[float] = ...) -> None: ...

class FeatureWord(_message.Message):
    __slots__ = ("name", "value", "contribution")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    CONTRIBUTION_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: float
    contribution: float
    def __init__(self, name: _Optional[str] = ..., value: _Optional[float] = ..., contribution: _Optional[float] = ...) -> None: ...

class ExplainResponse(_message.Message):
    __slots__ = ("reason", "rule", "position", "score", "rank", "candidates", "sources", "past_items", "features", "baseline", "moved_by", "model_version", "degraded", "title", "words", "earlier_items", "relays")
    REASON_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    RANK_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    PAST_ITEMS_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    BASELINE_FIELD_NUMBER: _ClassVar[int]
    MOVED_BY_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    EARLIER_ITEMS_FIELD_NUMBER: _ClassVar[int]
    RELAYS_FIELD_NUMBER: _ClassVar[int]
    reason: str
    rule: str
    position: int
    score: float
    rank: int
    candidates: int
    sources: _containers.RepeatedCompositeFieldContainer[SourceWord]
    past_items: _containers.RepeatedCompositeFieldContainer[PastItem]
    features: _containers.RepeatedCompositeFieldContainer[FeatureWord]
    baseline: float
    moved_by: _containers.RepeatedScalarFieldContainer[str]
    model_version: int
    degraded: _containers.RepeatedScalarFieldContainer[str]
    title: str
    words: _containers.RepeatedCompositeFieldContainer[SharedWord]
    earlier_items: _containers.RepeatedCompositeFieldContainer[PastItem]
    relays: _containers.RepeatedCompositeFieldContainer[PastItem]
    def __init__(self, reason: _Optional[str] = ..., rule: _Optional[str] = ..., position: _Optional[int] = ..., score: _Optional[float] = ..., rank: _Optional[int] = ..., candidates: _Optional[int] = ..., sources: _Optional[_Iterable[_Union[SourceWord, _Mapping]]] = ..., past_items: _Optional[_Iterable[_Union[PastItem, _Mapping]]] = ..., features: _Optional[_Iterable[_Union[FeatureWord, _Mapping]]] = ..., baseline: _Optional[float] = ..., moved_by: _Optional[_Iterable[str]] = ..., model_version: _Optional[int] = ..., degraded: _Optional[_Iterable[str]] = ..., title: _Optional[str] = ..., words: _Optional[_Iterable[_Union[SharedWord, _Mapping]]] = ..., earlier_items: _Optional[_Iterable[_Union[PastItem, _Mapping]]] = ..., relays: _Optional[_Iterable[_Union[PastItem, _Mapping]]] = ...) -> None: ...

class DiagnoseRequest(_message.Message):
    __slots__ = ("user_id", "k", "context", "time_ms", "after", "session_id", "rules")
    class ContextEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    TIME_MS_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    RULES_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    k: int
    context: _containers.ScalarMap[str, str]
    time_ms: int
    after: str
    session_id: str
    rules: SlateRules
    def __init__(self, user_id: _Optional[str] = ..., k: _Optional[int] = ..., context: _Optional[_Mapping[str, str]] = ..., time_ms: _Optional[int] = ..., after: _Optional[str] = ..., session_id: _Optional[str] = ..., rules: _Optional[_Union[SlateRules, _Mapping]] = ...) -> None: ...

class DiagnosisStep(_message.Message):
    __slots__ = ("name", "count", "detail")
    NAME_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    name: str
    count: int
    detail: str
    def __init__(self, name: _Optional[str] = ..., count: _Optional[int] = ..., detail: _Optional[str] = ...) -> None: ...

class DiagnoseResponse(_message.Message):
    __slots__ = ("steps", "fault", "known_user", "model_version", "degraded")
    STEPS_FIELD_NUMBER: _ClassVar[int]
    FAULT_FIELD_NUMBER: _ClassVar[int]
    KNOWN_USER_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    steps: _containers.RepeatedCompositeFieldContainer[DiagnosisStep]
    fault: str
    known_user: bool
    model_version: int
    degraded: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, steps: _Optional[_Iterable[_Union[DiagnosisStep, _Mapping]]] = ..., fault: _Optional[str] = ..., known_user: _Optional[bool] = ..., model_version: _Optional[int] = ..., degraded: _Optional[_Iterable[str]] = ...) -> None: ...

class Interaction(_message.Message):
    __slots__ = ("event_id", "user_id", "item_id", "kind", "time_ms", "session_id", "request_id", "position", "value", "context")
    class ContextEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    TIME_MS_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    user_id: str
    item_id: str
    kind: str
    time_ms: int
    session_id: str
    request_id: str
    position: int
    value: float
    context: _containers.ScalarMap[str, str]
    def __init__(self, event_id: _Optional[str] = ..., user_id: _Optional[str] = ..., item_id: _Optional[str] = ..., kind: _Optional[str] = ..., time_ms: _Optional[int] = ..., session_id: _Optional[str] = ..., request_id: _Optional[str] = ..., position: _Optional[int] = ..., value: _Optional[float] = ..., context: _Optional[_Mapping[str, str]] = ...) -> None: ...

class ShownItem(_message.Message):
    __slots__ = ("item_id", "position", "score", "propensity", "sources", "features")
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    PROPENSITY_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    position: int
    score: float
    propensity: float
    sources: _containers.RepeatedScalarFieldContainer[str]
    features: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, item_id: _Optional[str] = ..., position: _Optional[int] = ..., score: _Optional[float] = ..., propensity: _Optional[float] = ..., sources: _Optional[_Iterable[str]] = ..., features: _Optional[_Iterable[float]] = ...) -> None: ...

class Impression(_message.Message):
    __slots__ = ("request_id", "user_id", "time_ms", "items", "model_version", "variant")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    TIME_MS_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    VARIANT_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    user_id: str
    time_ms: int
    items: _containers.RepeatedCompositeFieldContainer[ShownItem]
    model_version: int
    variant: str
    def __init__(self, request_id: _Optional[str] = ..., user_id: _Optional[str] = ..., time_ms: _Optional[int] = ..., items: _Optional[_Iterable[_Union[ShownItem, _Mapping]]] = ..., model_version: _Optional[int] = ..., variant: _Optional[str] = ...) -> None: ...

class ItemUpdate(_message.Message):
    __slots__ = ("item_id", "time_ms", "deleted", "title", "categories", "price", "in_stock", "min_age", "regions", "seller_id", "sponsored", "created_ms", "attributes", "blocked_regions")
    class AttributesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    TIME_MS_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    CATEGORIES_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    IN_STOCK_FIELD_NUMBER: _ClassVar[int]
    MIN_AGE_FIELD_NUMBER: _ClassVar[int]
    REGIONS_FIELD_NUMBER: _ClassVar[int]
    SELLER_ID_FIELD_NUMBER: _ClassVar[int]
    SPONSORED_FIELD_NUMBER: _ClassVar[int]
    CREATED_MS_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    BLOCKED_REGIONS_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    time_ms: int
    deleted: bool
    title: str
    categories: _containers.RepeatedScalarFieldContainer[str]
    price: float
    in_stock: bool
    min_age: int
    regions: _containers.RepeatedScalarFieldContainer[str]
    seller_id: str
    sponsored: bool
    created_ms: int
    attributes: _containers.ScalarMap[str, str]
    blocked_regions: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, item_id: _Optional[str] = ..., time_ms: _Optional[int] = ..., deleted: _Optional[bool] = ..., title: _Optional[str] = ..., categories: _Optional[_Iterable[str]] = ..., price: _Optional[float] = ..., in_stock: _Optional[bool] = ..., min_age: _Optional[int] = ..., regions: _Optional[_Iterable[str]] = ..., seller_id: _Optional[str] = ..., sponsored: _Optional[bool] = ..., created_ms: _Optional[int] = ..., attributes: _Optional[_Mapping[str, str]] = ..., blocked_regions: _Optional[_Iterable[str]] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("interaction", "impression", "item")
    INTERACTION_FIELD_NUMBER: _ClassVar[int]
    IMPRESSION_FIELD_NUMBER: _ClassVar[int]
    ITEM_FIELD_NUMBER: _ClassVar[int]
    interaction: Interaction
    impression: Impression
    item: ItemUpdate
    def __init__(self, interaction: _Optional[_Union[Interaction, _Mapping]] = ..., impression: _Optional[_Union[Impression, _Mapping]] = ..., item: _Optional[_Union[ItemUpdate, _Mapping]] = ...) -> None: ...

class TrackRequest(_message.Message):
    __slots__ = ("events",)
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[Event]
    def __init__(self, events: _Optional[_Iterable[_Union[Event, _Mapping]]] = ...) -> None: ...

class Tracked(_message.Message):
    __slots__ = ("position", "refused")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    position: str
    refused: str
    def __init__(self, position: _Optional[str] = ..., refused: _Optional[str] = ...) -> None: ...

class TrackResponse(_message.Message):
    __slots__ = ("tracked", "model_positions")
    TRACKED_FIELD_NUMBER: _ClassVar[int]
    MODEL_POSITIONS_FIELD_NUMBER: _ClassVar[int]
    tracked: _containers.RepeatedCompositeFieldContainer[Tracked]
    model_positions: _containers.RepeatedCompositeFieldContainer[SourcePosition]
    def __init__(self, tracked: _Optional[_Iterable[_Union[Tracked, _Mapping]]] = ..., model_positions: _Optional[_Iterable[_Union[SourcePosition, _Mapping]]] = ...) -> None: ...

class ForgetRequest(_message.Message):
    __slots__ = ("user_id",)
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    def __init__(self, user_id: _Optional[str] = ...) -> None: ...

class ForgetResponse(_message.Message):
    __slots__ = ("position", "model_positions")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    MODEL_POSITIONS_FIELD_NUMBER: _ClassVar[int]
    position: str
    model_positions: _containers.RepeatedCompositeFieldContainer[SourcePosition]
    def __init__(self, position: _Optional[str] = ..., model_positions: _Optional[_Iterable[_Union[SourcePosition, _Mapping]]] = ...) -> None: ...

class GetModelInfoRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetModelInfoResponse(_message.Message):
    __slots__ = ("name", "model_version", "step", "absorbed_events", "trained_events", "items", "time_ms", "age_s", "model_positions", "settings", "serves")
    class SettingsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    ABSORBED_EVENTS_FIELD_NUMBER: _ClassVar[int]
    TRAINED_EVENTS_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    TIME_MS_FIELD_NUMBER: _ClassVar[int]
    AGE_S_FIELD_NUMBER: _ClassVar[int]
    MODEL_POSITIONS_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    SERVES_FIELD_NUMBER: _ClassVar[int]
    name: str
    model_version: int
    step: int
    absorbed_events: int
    trained_events: int
    items: int
    time_ms: int
    age_s: float
    model_positions: _containers.RepeatedCompositeFieldContainer[SourcePosition]
    settings: _containers.ScalarMap[str, str]
    serves: str
    def __init__(self, name: _Optional[str] = ..., model_version: _Optional[int] = ..., step: _Optional[int] = ..., absorbed_events: _Optional[int] = ..., trained_events: _Optional[int] = ..., items: _Optional[int] = ..., time_ms: _Optional[int] = ..., age_s: _Optional[float] = ..., model_positions: _Optional[_Iterable[_Union[SourcePosition, _Mapping]]] = ..., settings: _Optional[_Mapping[str, str]] = ..., serves: _Optional[str] = ...) -> None: ...
