"""The scorer as a stranger meets it: a process, a real Redis, a client that asks reflection."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Timer
from typing import Any

import grpc
import pytest

from schemas.events import ItemUpdate
from schemas.model_log import Describe, Progress, Publish
from schemas.positions import Position
from serving.store import RedisStore
from serving.store.embedded import EmbeddedRedis
from tests.patience import until
from tests.serving.foreign import ForeignClient
from tests.serving.models import ITEMS, publish_to, written
from tests.serving.processes import absorb_log, scorer_at

pytestmark = pytest.mark.redis

SCORER = "rillrec.v1.Scorer"
GAP_MS = 1_800_000


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisStore]:
    with EmbeddedRedis(tmp_path_factory.mktemp("scorer")) as server:
        made = RedisStore(server.url, name="test")
        publishes = written(8)
        publish_to(made, publishes)
        progress = publishes[-1].progress
        named = Describe((ItemUpdate(item_id="i1", title="First Flush"),))
        made.append(
            Publish(Progress(9, progress.step, progress.absorbed, progress.trained,
                             progress.time_ms, progress.marks), (named,))
        )  # fmt: skip
        yield made
        made.close()


@pytest.fixture(scope="module")
def client(store: RedisStore) -> Iterator[ForeignClient]:
    with scorer_at(f"unix://{store.address}") as scorer, ForeignClient(scorer.port) as made:
        until(lambda: health(made) == "SERVING")
        yield made


def health(client: ForeignClient, service: str = "") -> str:
    return str(client.call("grpc.health.v1.Health/Check", {"service": service})["status"])


def recommend(client: ForeignClient, user_id: str, **fields: Any) -> dict[str, Any]:
    return client.call(f"{SCORER}/Recommend", {"user_id": user_id, **fields})


def ids(reply: dict[str, Any]) -> list[str]:
    return [item["item_id"] for item in reply["items"]]


def click(user_id: str, item_id: str, number: int, **fields: Any) -> dict[str, Any]:
    event = {
        "event_id": f"{user_id}-{number}",
        "user_id": user_id,
        "item_id": item_id,
        "kind": "click",
        "time_ms": time.time_ns() // 1_000_000,
        **fields,
    }
    return {"interaction": event}


def track(client: ForeignClient, *events: dict[str, Any]) -> list[dict[str, Any]]:
    reply = client.call(f"{SCORER}/Track", {"events": list(events)})
    return list(reply["tracked"])


def failure(client: ForeignClient, method: str, fields: dict[str, Any], **options: Any) -> Any:
    """Return why a call fails; where that comes too late to be heard, it is given more time."""
    for more in (1, 5, 25):
        given = {key: value and more * value for key, value in options.items()}
        with pytest.raises(grpc.RpcError) as failed:
            client.call(f"{SCORER}/{method}", fields, **given)
        if failed.value.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
            break
    return failed.value


# ---- a stranger at the door -----------------------------------------------------------------


def test_reflection_tells_all_that_a_client_needs(client: ForeignClient) -> None:
    assert {SCORER, "grpc.health.v1.Health"} <= set(client.services())
    assert client.methods(SCORER) == [
        "Recommend", "Score", "SimilarItems", "Explain", "Diagnose", "Track", "Forget",
        "GetModelInfo",
    ]  # fmt: skip


def test_unknown_user_gets_what_trends(client: ForeignClient) -> None:
    reply = recommend(client, "nobody")
    assert len(reply["items"]) == 20
    scores = [item["score"] for item in reply["items"]]
    assert scores == sorted(scores, reverse=True)
    assert all("popularity" in item["sources"] for item in reply["items"])
    assert (reply["known_user"], reply["degraded"]) == (False, [])
    assert reply["user_positions"] == reply["model_positions"]  # all below was stored, for anybody
    assert int(reply["model_version"]) == 9
    assert reply["model_positions"][0]["offset"] != "0"


def test_request_ids_are_never_the_same(client: ForeignClient) -> None:
    assert len({recommend(client, "nobody", k=1)["request_id"] for _ in range(50)}) == 50


@pytest.mark.parametrize(("k", "count"), [(1, 1), (3, 3), (1_000, ITEMS)])
def test_slate_is_as_long_as_asked_and_as_the_model_can(
    client: ForeignClient, k: int, count: int
) -> None:
    assert len(recommend(client, "nobody", k=k)["items"]) == count


def test_items_carry_the_titles_of_the_catalogue(client: ForeignClient) -> None:
    titles = {i["item_id"]: i["title"] for i in recommend(client, "nobody", k=1_000)["items"]}
    assert titles["i1"] == "First Flush"
    assert titles["i2"] == ""


def test_model_is_told(client: ForeignClient) -> None:
    info = client.call(f"{SCORER}/GetModelInfo")
    assert (info["name"], int(info["model_version"]), int(info["items"])) == ("test", 9, ITEMS)
    assert int(info["absorbed_events"]) == 8 * 16
    assert info["settings"]["unit"] == "session"
    assert info["settings"]["excludes"] == "True"
    assert info["age_s"] > 0


def test_given_items_are_scored_in_their_order(client: ForeignClient) -> None:
    asked = ["i3", "never seen", "i1", "i3"]
    reply = client.call(f"{SCORER}/Score", {"user_id": "nobody", "item_ids": asked})
    assert [score["item_id"] for score in reply["scores"]] == asked
    assert [("score" in score) for score in reply["scores"]] == [True, False, True, True]
    assert reply["scores"][0] == reply["scores"][3]
    trending = {i["item_id"]: i["score"] for i in recommend(client, "nobody", k=1_000)["items"]}
    assert reply["scores"][2]["score"] == pytest.approx(trending["i1"])


def test_similar_items_leave_out_the_item_itself(client: ForeignClient) -> None:
    reply = client.call(f"{SCORER}/SimilarItems", {"item_id": "i1", "k": 5})
    assert len(ids(reply)) == 5
    assert "i1" not in ids(reply)
    assert ids(client.call(f"{SCORER}/SimilarItems", {"item_id": "never seen"})) == []


def test_a_request_says_how_its_slate_is_made(client: ForeignClient) -> None:
    plain = ids(recommend(client, "nobody", k=10))
    rules = {
        "pins": {"2": plain[9]},
        "sponsored": [plain[8]],
        "blocked_items": [plain[0]],
        "freshness": 0.0,
    }
    reply = recommend(client, "nobody", k=8, rules=rules)
    assert plain[0] not in ids(reply)
    assert [item["rules"] for item in reply["items"]] == [
        [], [], ["pin"], ["sponsored"], [], [], [], [],
    ]  # fmt: skip
    assert ids(reply)[2:4] == [plain[9], plain[8]]
    assert [item["sponsored"] for item in reply["items"]] == [n == 3 for n in range(8)]
    assert reply["relaxed"] == []


# ---- read your writes -----------------------------------------------------------------------


def test_slate_after_a_click_waits_for_it_and_reflects_it(
    client: ForeignClient, store: RedisStore
) -> None:
    before = recommend(client, "ann", k=10)
    tracked = track(client, click("ann", "i1", 1), click("ann", "i2", 2))
    position = Position.of_token(tracked[-1]["position"])
    flow = Timer(0.15, absorb_log, [store])
    flow.start()
    after = recommend(client, "ann", k=10, after=tracked[-1]["position"])
    flow.join()
    assert after["known_user"]
    assert after["degraded"] == []
    reached = {one["topic"]: int(one["offset"]) for one in after["user_positions"]}
    assert reached["events"] == position.offset + 1
    assert ids(after) != ids(before)
    assert not {"i1", "i2"} & set(ids(after))


def test_refused_and_repeated_events_are_waited_for_too(
    client: ForeignClient, store: RedisStore
) -> None:
    [good] = track(client, click("bea", "i1", 1))
    bad, again = track(client, click("bea", "", 2), click("bea", "i1", 1))
    assert (good["refused"], again["refused"]) == ("", "")
    assert "item_id" in bad["refused"]
    absorb_log(store)
    for token in (good, bad, again):
        assert recommend(client, "bea", after=token["position"])["known_user"]


def test_wait_in_vain_tells_how_far_the_user_is(client: ForeignClient, store: RedisStore) -> None:
    [first] = track(client, click("cid", "i1", 1))
    absorb_log(store)
    [second] = track(client, click("cid", "i2", 2))
    reached = Position.of_token(first["position"]).offset + 1
    wanted = Position.of_token(second["position"]).offset
    for timeout_s, least_s in ((None, 0.9), (0.4, 0.3)):
        started_s = time.monotonic()
        failed = failure(
            client,
            "Recommend",
            {"user_id": "cid", "after": second["position"]},
            timeout_s=timeout_s,
        )
        assert least_s < time.monotonic() - started_s < 30.0
        assert failed.code() is grpc.StatusCode.FAILED_PRECONDITION
        assert f"events/0@{wanted} is not absorbed yet: everything below {reached} is" in (
            failed.details()
        )
    absorb_log(store)
    assert recommend(client, "cid", after=second["position"])["known_user"]


def test_scores_wait_for_an_event_as_slates_do(client: ForeignClient, store: RedisStore) -> None:
    [tracked] = track(client, click("dan", "i1", 1))
    asked = {"user_id": "dan", "item_ids": ["i2"], "after": tracked["position"]}
    assert failure(client, "Score", asked, timeout_s=0.2).code().name == "FAILED_PRECONDITION"
    absorb_log(store)
    reply = client.call(f"{SCORER}/Score", asked)
    assert reply["user_positions"]
    stranger = client.call(f"{SCORER}/Score", {**asked, "user_id": "nobody", "after": ""})
    assert reply["scores"] != stranger["scores"]


def test_forgotten_user_is_a_stranger(client: ForeignClient, store: RedisStore) -> None:
    track(client, click("eve", "i1", 1))
    absorb_log(store)
    assert recommend(client, "eve")["known_user"]
    position = client.call(f"{SCORER}/Forget", {"user_id": "eve"})["position"]
    absorb_log(store)
    assert not recommend(client, "eve", after=position)["known_user"]


def test_session_that_ended_by_time_is_not_continued(
    client: ForeignClient, store: RedisStore
) -> None:
    track(client, click("fay", "i1", 1))
    absorb_log(store)
    now_ms = time.time_ns() // 1_000_000
    assert "i1" not in ids(recommend(client, "fay", k=1_000, time_ms=now_ms))
    later = recommend(client, "fay", k=1_000, time_ms=now_ms + 2 * GAP_MS)
    assert "i1" in ids(later)
    assert ids(later) == ids(recommend(client, "fay", k=1_000, session_id="one that begins"))
    assert set(ids(later)) == set(ids(recommend(client, "nobody", k=1_000)))


def test_session_that_asks_is_the_one_that_is_answered(
    client: ForeignClient, store: RedisStore
) -> None:
    track(
        client,
        click("gil", "i1", 1, session_id="phone"),
        click("gil", "i2", 2, session_id="desk"),
    )
    absorb_log(store)
    for session_id, absent, present in (("phone", "i1", "i2"), ("desk", "i2", "i1")):
        found = ids(recommend(client, "gil", k=1_000, session_id=session_id))
        assert absent not in found
        assert present in found


def test_disliked_item_is_not_shown_again(client: ForeignClient, store: RedisStore) -> None:
    track(client, click("hal", "i5", 1, kind="dislike"))
    absorb_log(store)
    found = ids(recommend(client, "hal", k=1_000))
    assert "i5" not in found
    assert len(found) == ITEMS - 1


# ---- what is refused ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "fields", "message"),
    [
        ("Recommend", {}, "`user_id` is empty: send an id"),
        ("Recommend", {"user_id": "x" * 257}, "`user_id` has 257 bytes"),
        ("Recommend", {"user_id": "a\nb"}, "`user_id` has a control character"),
        ("Recommend", {"user_id": "a", "k": 1_001}, "`k` is 1001: ask for 1 to 1000"),
        ("Recommend", {"user_id": "a", "k": 2**32 - 1}, "`k` is 4294967295"),
        ("Recommend", {"user_id": "a", "session_id": "s" * 300}, "`session_id` has 300 bytes"),
        (
            "Recommend",
            {"user_id": "a", "rules": {"diversity": 7}},
            "`rules`: diversity is 7.0, it must lie within 0 and 1",
        ),
        ("Recommend", {"user_id": "a", "after": "garbage"}, "`after`: 'garbage' is not a position"),
        ("Recommend", {"user_id": "a", "time_ms": 1_760_000_000}, "are these seconds"),
        ("Recommend", {"user_id": "a", "time_ms": 0}, "`time_ms` is 0, before 1990"),
        (
            "Recommend",
            {"user_id": "a", "context": {str(n): "" for n in range(65)}},
            "`context` has 65 fields",
        ),
        ("Score", {"user_id": "a"}, "`item_ids` names 0 items: send 1 to 1000"),
        ("Score", {"user_id": "a", "item_ids": ["b", ""]}, "`item_ids[1]` is empty"),
        ("Score", {"user_id": "", "item_ids": ["b"]}, "`user_id` is empty"),
        ("SimilarItems", {}, "`item_id` is empty"),
        ("SimilarItems", {"item_id": "a", "k": 1_001}, "`k` is 1001"),
        ("Forget", {}, "`user_id` is empty"),
        ("Track", {"events": [{}] * 1_001}, "`events` holds 1001 events: send 1000 a call"),
    ],
)
def test_request_that_makes_no_sense_is_refused_with_a_remedy(
    client: ForeignClient, method: str, fields: dict[str, Any], message: str
) -> None:
    failed = failure(client, method, fields)
    assert failed.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert message in failed.details()


@pytest.mark.parametrize("user_id", ["x" * 256, "ü" * 128, "🙂" * 64], ids=["1", "2", "4"])
def test_longest_ids_are_served(client: ForeignClient, store: RedisStore, user_id: str) -> None:
    [tracked] = track(client, click(user_id, "i1", 1, event_id="e1"))
    assert tracked["refused"] == ""
    absorb_log(store)
    assert recommend(client, user_id, after=tracked["position"])["known_user"]


def test_events_that_will_be_refused_have_positions_and_reasons(client: ForeignClient) -> None:
    now_ms = time.time_ns() // 1_000_000
    tracked = track(
        client,
        {},
        click("ivy", "i1", 1),
        click("x" * 257, "i1", 2, event_id="e2"),
        click("ivy", "i1", 3, time_ms=now_ms // 1_000),
        click("ivy", "i1", 4, time_ms=now_ms + 3 * 86_400_000),
        {"item": {"item_id": "a", "price": "NaN"}},
        {"impression": {"request_id": "r", "user_id": "ivy", "time_ms": now_ms}},
    )
    offsets = [Position.of_token(one["position"]).offset for one in tracked]
    assert offsets == sorted(set(offsets))
    for one, reason in zip(
        tracked,
        ("is unknown", "", "user_id", "are these seconds", "days ahead", "$.price", ""),
        strict=True,
    ):
        assert reason in one["refused"]
        assert bool(reason) == bool(one["refused"])


def test_thousand_events_are_taken_at_once_and_none_too(client: ForeignClient) -> None:
    tracked = track(client, *[click("jim", f"i{n}", n) for n in range(1_000)])
    assert len({one["position"] for one in tracked}) == 1_000
    assert track(client) == []


def test_message_beyond_all_bounds_is_refused_before_it_is_read(client: ForeignClient) -> None:
    huge = {"events": [click("kim", "i1", 1, context={"k": "v" * (9 << 20)})]}
    assert failure(client, "Track", huge).code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_event_beyond_its_bound_is_refused_by_reason(client: ForeignClient) -> None:
    [tracked] = track(client, click("kim", "i1", 1, context={"k": "v" * (1 << 20)}))
    assert "bytes, at most" in tracked["refused"]


# ---- many at once ---------------------------------------------------------------------------


def test_clicks_and_slates_of_many_users_at_once_stay_apart(
    client: ForeignClient, store: RedisStore
) -> None:
    catalogue = ids(recommend(client, "nobody", k=1_000))

    def visit(number: int) -> None:
        user_id, seen = f"crowd{number}", set()
        for step in range(4):
            item_id = catalogue[(number + step) % ITEMS]
            seen.add(item_id)
            [tracked] = track(client, click(user_id, item_id, step))
            reply = recommend(client, user_id, k=1_000, after=tracked["position"])
            assert reply["known_user"]
            assert set(ids(reply)) == set(catalogue) - seen

    with ThreadPoolExecutor(12) as crowd:
        visits = [crowd.submit(visit, number) for number in range(24)]
        offset = absorb_log(store)
        while not all(one.done() for one in visits):
            offset = absorb_log(store, from_offset=offset)
            time.sleep(0.005)
        for one in visits:
            one.result()
