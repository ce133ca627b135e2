"""``rillrec explain`` and ``rillrec diagnose``, against a scorer in a process of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from online_models.explaining.explanation import Explanation
from online_models.explaining.past import PastItem
from online_models.explaining.words import SharedWord
from rillrec.client import Client
from rillrec.explained import Explained, explained, lines_of
from schemas.keys import shard_of
from serving.explained import explanation_to_wire
from serving.store import RedisStore, ShardWrite
from serving.store.embedded import EmbeddedRedis
from tests.patience import until
from tests.rillrec.conftest import Run
from tests.serving.models import publish_to, written
from tests.serving.processes import scorer_at
from tests.serving.states import user

pytestmark = pytest.mark.redis


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with EmbeddedRedis(tmp_path_factory.mktemp("explain")) as server:
        store = RedisStore(server.url, name="test")
        publish_to(store, written(8))
        store.write_shards([ShardWrite(shard_of("ann"), {"ann": user("ann")}, {"events": {0: 10}})])
        with scorer_at(server.url) as scorer:
            found = f"127.0.0.1:{scorer.port}"
            with Client(found) as client:
                until(lambda: client.model_info().version == 8)
                yield found
        store.close()


def test_an_item_that_is_shown_is_explained(run: Run, address: str) -> None:
    with Client(address) as client:
        shown = client.recommend("ann", 5).items[1]
    ran = run("explain", "ann", shown.item_id, "--k", 5, "--address", address)
    assert ran.code == 0
    assert f"'{shown.item_id}': shown at place 1 (from 0)" in ran.out
    assert f"score {shown.score:.4f}, rank 2 of" in ran.out
    assert "popularity  proposed it" in ran.out
    assert "model version 8" in ran.out


def test_an_item_that_is_not_shown_is_told_why(run: Run, address: str) -> None:
    ran = run("explain", "ann", "never seen", "--address", address)
    assert "'never seen': not shown: the model does not know it" in ran.out


def test_machines_get_json(run: Run, address: str) -> None:
    told = json.loads(run("explain", "ann", "i1", "--address", address, "--json").out)
    assert told["explanation"]["item_id"] == "i1"
    assert told["model_version"] == 8
    told = json.loads(run("diagnose", "ann", "--address", address, "--json").out)
    assert told["diagnosis"]["steps"][0]["name"] == "items"
    assert told["known_user"]


def test_a_slate_in_good_health_ends_with_0(run: Run, address: str) -> None:
    ran = run("diagnose", "ann", "--k", 5, "--context", "age=34", "--address", address)
    assert "nothing is at fault" in ran.out
    assert "the user is known; model version 8" in ran.out
    assert ran.code == 0


def test_a_slate_that_is_short_ends_with_1(run: Run, address: str) -> None:
    ran = run("diagnose", "nobody", "--k", 100, "--address", address)
    assert ran.code == 1
    assert "fault items" in ran.out
    assert "at fault: items" in ran.out
    assert "a stranger" in ran.out


def test_a_context_that_is_none_is_refused(run: Run, address: str) -> None:
    ran = run("explain", "ann", "i1", "--context", "region", "--address", address)
    assert ran.code == 2
    assert "'region' is not of the form FIELD=VALUE, such as region=de" in ran.err


def test_a_scorer_that_is_away_is_named(
    run: Run, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RILLREC_SERVE__PORT", str(free_port))
    ran = run("diagnose", "ann")
    assert ran.code == 4
    assert f"error: the scorer at 127.0.0.1:{free_port} answered UNAVAILABLE" in ran.err


@pytest.mark.parametrize(
    ("reason", "rule", "said"),
    [
        ("hard_rule", "min_age", "not shown: the hard rule min_age bars it"),
        ("held_back", "category_share", "not shown: category_share held it back"),
        ("beyond_k", "", "not shown: it ranked behind the end of the slate"),
    ],
)
def test_each_reason_has_its_words(reason: str, rule: str, said: str) -> None:
    told = Explanation(item_id="tea", reason=reason, rule=rule, moved_by=("pin",))
    first, *_, last = lines_of(Explained(told, 3, ("stale_model",), "Green"))
    assert first == f"'tea' (Green): {said}"
    assert last == "  model version 3, degraded: stale_model"


def test_the_words_that_an_item_shares_are_told() -> None:
    reply = explanation_to_wire(
        Explanation(item_id="tea", reason="shown", words=(SharedWord("category=tea", 0.75),)),
        title="Green",
        model_version=3,
        degraded=[],
    )
    said = list(lines_of(explained("tea", reply)))
    assert "    75% of the likeness comes from 'category=tea'" in said


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("earlier_items", "    75% of what other sessions add comes from 'cup'"),
        ("relays", "    75% of the rules at second hand come through 'cup'"),
    ],
)
def test_the_items_that_speak_for_an_item_are_told(told: str, said: str) -> None:
    items = (PastItem("cup", 0.75),)
    whole = Explanation(item_id="tea", reason="shown", **{told: items})  # type: ignore[arg-type]
    heard = explained("tea", explanation_to_wire(whole, title="", model_version=3, degraded=[]))
    assert getattr(heard.explanation, told) == items
    assert said in lines_of(heard)
