"""What a backfill refuses, how it goes on, and having a name stand for another model."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rillrec.backfill_plan import Plan, Plans, since_of
from rillrec.backfill_progress import line
from rillrec.extent import Extent, Lengths
from schemas.errors import BrokerUnavailable, SettingsError, StoreError
from schemas.settings_kafka import KafkaSettings
from serving.store import RedisStore
from serving.store.alias import Alias
from serving.store.wire import Wire
from tests.kafka import Kafka
from tests.rillrec.conftest import Run
from tests.serving.states import publish

redis = pytest.mark.redis
PLAN = Plan(name="shop", since="earliest")


@pytest.fixture
def wire(redis_url: str) -> Iterator[Wire]:
    made = Wire(redis_url, timeout_s=5.0)
    yield made
    made.close()


@pytest.fixture
def url(redis_url: str, monkeypatch: pytest.MonkeyPatch, run: Run) -> str:
    monkeypatch.setenv("RILLREC_STORE__REDIS_URL", redis_url)
    return redis_url


def model(url: str, name: str, *, version: int = 1) -> RedisStore:
    """Return the store of a model that has been published."""
    store = RedisStore(url, name=name)
    for number in range(version):
        store.append(publish(number + 1))
    return store


# ---- plans -----------------------------------------------------------------------------------


@redis
def test_a_plan_is_gone_on_with_until_its_model_is_served(wire: Wire, redis_url: str) -> None:
    plans, store = Plans(wire, "two"), RedisStore(redis_url, name="two")
    assert plans.read() is None
    assert not plans.claim(PLAN, store)
    store.append(publish(1))
    assert plans.claim(PLAN, store)
    plans.note_served()
    with pytest.raises(StoreError, match=r"'two' was built, and 'shop' has stood for it since: ch"):
        plans.claim(PLAN, store)


@redis
def test_another_plan_for_the_same_model_is_refused(wire: Wire, redis_url: str) -> None:
    plans, store = Plans(wire, "two"), RedisStore(redis_url, name="two")
    plans.claim(PLAN, store)
    for other in (Plan(name="shop", since="1767225600000"), Plan(name="mall", since="earliest")):
        with pytest.raises(SettingsError) as told:
            plans.claim(other, store)
        assert str(told.value) == (
            "a backfill into 'two' was begun with --from earliest and --model shop: say the same "
            "to go on, or choose another name for --into"
        )


@redis
def test_a_model_that_no_backfill_made_is_refused(wire: Wire, redis_url: str) -> None:
    with pytest.raises(StoreError, match=r"there is a model 'two' already, and no backfill made i"):
        Plans(wire, "two").claim(PLAN, model(redis_url, "two"))


@redis
def test_a_model_without_a_plan_is_served_without_one(wire: Wire) -> None:
    Plans(wire, "two").note_served()
    assert Plans(wire, "two").read() is None


def test_a_time_is_one_however_it_is_said() -> None:
    assert since_of("2026-01-01T00:00") == since_of("1767225600000") == "1767225600000"
    assert since_of("earliest") == "earliest"


# ---- progress --------------------------------------------------------------------------------


def test_the_share_counts_from_where_it_began() -> None:
    extent = Extent({"t": {0: 100}}, {"t": {0: 300, 1: 200}})
    assert extent.share({}) == 0
    assert extent.share({"t": {0: 200, 1: 100}}) == 0.5
    assert extent.share({"t": {0: 300, 1: 900}}) == 1
    assert Extent({}, {}).share({}) == 1


@pytest.mark.parametrize(
    ("share", "left", "rate", "told"),
    [
        (0.0, 100, 0.0, "  0 % of the log, 0 events/s"),
        (1.0, 0, 9.0, "100 % of the log, 9 events/s"),
        (0.5, 100, 10.0, " 50 % of the log, 10 events/s, about 10 s left"),
        (0.5, 72_000, 10.0, " 50 % of the log, 10 events/s, about 2 h left"),
    ],
)
def test_progress_is_told_in_words(share: float, left: int, rate: float, told: str) -> None:
    assert line(share, left, rate) == told


@pytest.mark.kafka
def test_lengths_are_those_of_the_brokers(kafka: Kafka) -> None:
    topic, items = kafka.topic(partitions=2), kafka.topic("items")
    kafka.produce(topic, [("k", b"1"), ("k", b"2")], partition=1)
    kafka.produce(items, [("k", b"1")])
    lengths = Lengths(KafkaSettings(brokers=kafka.brokers), [(topic, 0), (topic, 1), (items, 0)])
    assert lengths.ends() == {topic: {0: 0, 1: 2}, items: {0: 1}}
    assert lengths.begins(0, whole=items) == {topic: {0: 0, 1: 0}, items: {0: 0}}
    assert lengths.begins(4_102_444_800_000, whole=items) == {topic: {0: 0, 1: 2}, items: {0: 0}}


def test_brokers_that_are_away_are_told() -> None:
    kafka = KafkaSettings(brokers="127.0.0.1:1", metadata_timeout_s=0.5)
    with pytest.raises(BrokerUnavailable, match=r"Kafka at 127\.0\.0\.1:1 does not answer"):
        Lengths(kafka, [("t", 0)]).ends()


# ---- the commands ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--from", "soon"), 2, "'soon' is no time such as 2026-01-31T12:00, nor `earliest`"),
        (("--from", "latest"), 2, "'latest' is no time"),
        (("--from", "earliest"), 3, "a backfill reads Kafka, and kafka.brokers is empty"),
        (("--from", "earliest", "--workers", "0"), 2, "--workers"),
    ],
)
def test_a_backfill_that_makes_no_sense_is_refused(
    run: Run, arguments: tuple[str, ...], code: int, said: str
) -> None:
    ran = run("backfill", "--into", "two", *arguments)
    assert ran.code == code
    assert said in ran.err


@redis
def test_a_name_is_switched_and_switched_back(run: Run, url: str, wire: Wire) -> None:
    for name in ("shop", "two"):
        model(url, name).close()
    ran = run("switch", "two", "--model", "shop")
    assert ran.out == (
        "'shop' stands for 'two' now; `rillrec switch --back --model shop` returns to 'shop'\n"
    )
    assert run("switch", "two", "--model", "shop").out == "'shop' stands for 'two' already\n"
    assert Alias(wire, "shop").serves() == "two"
    assert run("switch", "--back", "--model", "shop").code == 0
    assert Alias(wire, "shop").serves() == "shop"


@redis
def test_a_model_that_is_not_there_is_not_switched_to(run: Run, url: str, wire: Wire) -> None:
    ran = run("switch", "two", "--model", "shop")
    assert ran.code == 4
    assert "error: there is no model 'two': `rillrec backfill --into two` builds it" in ran.err
    assert Alias(wire, "shop").serves() == "shop"


@redis
def test_a_model_that_is_being_built_is_not_switched_to(run: Run, url: str) -> None:
    with_owner = model(url, "two")
    assert with_owner.acquire("flow 7 on there", 10_000)
    ran = run("switch", "two", "--model", "shop")
    assert ran.code == 4
    assert "flow 7 on there learns 'two' at present: end that first" in ran.err


@redis
def test_a_name_that_was_never_switched_has_no_way_back(run: Run, url: str) -> None:
    ran = run("switch", "--back", "--model", "shop")
    assert ran.code == 4
    assert "'shop' was never switched to another model: there is no way back" in ran.err


@pytest.mark.parametrize("arguments", [(), ("two", "--back")])
def test_a_switch_says_where_to(run: Run, arguments: tuple[str, ...]) -> None:
    ran = run("switch", *arguments)
    assert ran.code == 2
    assert "say either the NAME of a model, or --back" in ran.err
