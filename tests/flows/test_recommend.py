"""The whole flow, in memory: what it refuses, what it learns, and that a crash changes neither."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from bytewax.dataflow import Dataflow
from bytewax.inputs import AbortExecution
from bytewax.recovery import RecoveryConfig, init_db_dir

import flows.recommend
from flows.batches import SourceBatch
from flows.sources.file import FileSource
from flows.sources.log import LogPartition, LogSource
from online_models.learner import Learner
from schemas.errors import StoreUnavailable
from schemas.model_log import encode_publish
from schemas.positions import mark_of
from schemas.user_state import StreamRules, UserState
from serving.replica import Replica
from serving.store import DeadLetter, MemoryStore, RedisStore
from serving.store.embedded import EmbeddedRedis
from tests.flows.streams import RULES, START_MS, StormyStore, interaction, payload, run, troubled

SECONDS = START_MS // 1_000
GOOD = 40


class Crash(Exception):
    """Stands for kill -9."""


def log_with(events: list[tuple[str, bytes]], store: MemoryStore) -> MemoryStore:
    store.append_events(events)
    return store


def clock() -> Any:
    """Return a clock for stores, by which the same events get the same offsets."""
    return lambda: START_MS


def users_of(store: MemoryStore) -> dict[str, UserState]:
    return store.read_users([f"u{n}" for n in range(100)])


def model_of(learner: Learner) -> bytes:
    return encode_publish(learner.state.snapshot())


# ---- hostile input ---------------------------------------------------------------------------


def hostile_json() -> list[tuple[str, bytes]]:
    """Return ``(reason, line)`` of lines that must be refused."""
    return [
        ("malformed", b'{"event_id": "b0", "user_id": "u1", "item'),
        ("malformed", b"\x00\x00\x00"),
        ("malformed", b'{"user_id": "\xff\xfe"}'),
        ("malformed", b'{"a": ' + b"[" * 100_000),
        ("malformed", b"not json at all"),
        ("field", b"[]"),
        ("field", b"null"),
        ("field", payload(interaction(1, event_id="b1", user_id=17))),
        ("field", payload(interaction(1, event_id="b2", user_id=None))),
        ("field", payload(interaction(1, event_id="b3", user_id="u" * 300))),
        ("field", payload(interaction(1, event_id="b4", item_id="ü" * 200))),
        ("field", payload(interaction(1, event_id="b5", item_id="a\u0000b"))),
        ("field", payload(interaction(1, event_id="b6", user_id=""))),
        ("field", payload(interaction(1, event_id="b7", time_ms="yesterday"))),
        ("field", payload(interaction(1, event_id="b8", context={"x": [1]}))),
        ("field", payload(interaction(1, event_id="b9", value="five"))),
        ("time", payload(interaction(1, event_id="b10", time_ms=0))),
        ("time", payload(interaction(1, event_id="b11", time_ms=START_MS // 1_000))),
        ("time", payload(interaction(1, event_id="b12", time_ms=4_102_444_800_000))),
        ("kind", payload({"type": "mystery", "user_id": "u1"})),
        ("field", payload({"type": 5, "user_id": "u1"})),
        ("size", payload(interaction(1, event_id="b13", note="x" * 5_000_000))),
        ("late", payload(interaction(1, event_id="b14", time_ms=START_MS - 7_200_000))),
    ]


def strewn(good: list[bytes], bad: list[bytes], *, seed: int) -> list[tuple[bool, bytes]]:
    """Return lines in the order of each list, mixed; the first is good."""
    dice = random.Random(seed)
    kept = [True] * (len(good) - 1) + [False] * len(bad)
    dice.shuffle(kept)
    goods, bads = iter(good), iter(bad)
    return [(is_good, next(goods if is_good else bads)) for is_good in [True, *kept]]


def check_hostile(
    letters: list[DeadLetter], lines: list[tuple[bool, bytes]], reasons: list[str]
) -> None:
    bad = [(row, line) for row, (is_good, line) in enumerate(lines) if not is_good]
    assert [letter.offset for letter in letters] == [row for row, _ in bad]
    assert [letter.reason for letter in letters] == reasons
    for letter, (_, line) in zip(letters, bad, strict=True):
        assert letter.message
        if letter.reason == "size":
            assert line.startswith(letter.payload)
            assert "5000" in letter.message
            assert "1048576" in letter.message
        else:
            assert letter.payload == line


@pytest.mark.parametrize("batch_size", [1, 1_000])
def test_hostile_lines_of_json_lose_no_good_event(tmp_path: Path, batch_size: int) -> None:
    hostile = hostile_json()
    good = [payload(interaction(n, user_id="u1")) for n in range(GOOD)]
    lines = strewn(good, [line for _, line in hostile], seed=1)
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"\n".join(line for _, line in lines))
    store = MemoryStore()
    learner, tally = run(FileSource(path, batch_size=batch_size), store)
    check_hostile(store.dead_letters(), lines, [reason for reason, _ in hostile])
    assert tally.events == learner.state.progress.absorbed == GOOD
    assert tally.rejected == len(hostile)
    assert tally.reasons == Counter(reason for reason, _ in hostile)
    [state] = store.read_users(["u1"]).values()
    assert [visit.offset for visit in state.history] == [
        row for row, (is_good, _) in enumerate(lines) if is_good
    ]


def test_hostile_rows_of_csv_lose_no_good_event(tmp_path: Path) -> None:
    hostile = [
        ("malformed", b"1760000000,u1"),
        ("malformed", b"1760000000,u1,i1,click,5,extra"),
        ("malformed", b'1760000000,"u1,i1,click,5'),
        ("malformed", b'1760000000,"u1"x,i1,click,5'),
        ("malformed", b"1760000000,u1,i\x001,click,5"),
        ("malformed", b"1760000000,u1,i\xff1,click,5"),
        ("field", b"1760000000,,i1,click,5"),
        ("field", b"1760000000,u1,,click,5"),
        ("field", b"1760000000,u1," + b"i" * 300 + b",click,5"),
        ("field", "1760000000,u1,{},click,5".format("ü" * 200).encode()),
        ("field", b"1760000000,u1,i1," + b"k" * 65 + b",5"),
        ("field", b"1760000000,u1,i\x011,click,5"),
        ("field", b"soon,u1,i1,click,5"),
        ("field", b"inf,u1,i1,click,5"),
        ("field", b"nan,u1,i1,click,5"),
        ("field", b"1760000000,u1,i1,click,five"),
        ("field", b"1760000000,u1,i1,click,nan"),
        ("time", b"0,u1,i1,click,5"),
        ("time", b"-1760000000,u1,i1,click,5"),
        ("time", b"1760000,u1,i1,click,5"),
        ("time", b"4102444800,u1,i1,click,5"),
        ("time", b"1760000000000,u1,i1,click,5"),
        ("size", b"1760000000,u1," + b"i" * 5_000_000 + b",click,5"),
        ("late", b"1759990000,u1,i1,click,5"),
    ]
    good = [f"{SECONDS + n},u1,i{n},click,5".encode() for n in range(GOOD)]
    lines = strewn(good, [line for _, line in hostile], seed=2)
    path = tmp_path / "events.csv"
    path.write_bytes(b"ts,user,item,event_type,value\r\n" + b"".join(x + b"\r\n" for _, x in lines))
    store = MemoryStore()
    learner, tally = run(FileSource(path), store)
    letters = store.dead_letters()
    check_hostile(letters, [(ok, x + b"\r") for ok, x in lines], [reason for reason, _ in hostile])
    assert tally.events == learner.state.progress.absorbed == GOOD


def test_hostile_events_of_the_log_lose_no_good_event() -> None:
    hostile = [one for one in hostile_json() if b'"type"' not in one[1]]
    good = [payload(interaction(n, user_id="u1")) for n in range(GOOD)]
    lines = strewn(good, [line for _, line in hostile], seed=3)
    events = [("interaction", line) for _, line in lines]
    events.insert(1, ("mystery", b"{}"))
    store = log_with(events, MemoryStore())
    learner, tally = run(LogSource(store, follow=False), store)
    letters = store.dead_letters()
    assert [letter.reason for letter in letters] == ["kind", *[reason for reason, _ in hostile]]
    kept = [line if len(line) < 2**20 else line[:4_096] for ok, line in lines if not ok]
    assert [letter.payload for letter in letters[1:]] == kept
    assert tally.events == learner.state.progress.absorbed == GOOD


def test_repeated_event_ids_are_counted_and_no_dead_letters(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"\n".join(payload(interaction(n % 10)) for n in range(30)))
    store = MemoryStore()
    learner, tally = run(FileSource(path, batch_size=7), store)
    assert (tally.records, tally.events, tally.duplicates, tally.rejected) == (30, 10, 20, 0)
    assert learner.state.progress.trained == 10
    assert store.dead_letters() == []


# ---- independence of batches -----------------------------------------------------------------


@pytest.mark.parametrize("rules", [RULES, StreamRules(unit="user")], ids=["session", "user"])
def test_what_is_learnt_does_not_depend_on_source_batches(rules: StreamRules) -> None:
    events = troubled(300)
    outcomes = []
    for batch_size in (1, 7, 1_000):
        store = log_with(events, MemoryStore(now_ms=clock()))
        source = LogSource(store, follow=False, batch_size=batch_size)
        learner, tally = run(source, store, rules=rules)
        outcomes.append(
            (
                model_of(learner),
                [encode_publish(publish) for publish in store.read_log(0)],
                users_of(store),
                store.dead_letters(),
                store.low_marks(),
                (tally.events, tally.duplicates, tally.late, tally.rejected, tally.examples),
            )
        )
    assert outcomes[0] == outcomes[1] == outcomes[2]
    assert outcomes[0][5][1] > 0
    assert outcomes[0][5][2] > 0


def test_more_workers_learn_the_same_in_the_same_order() -> None:
    events = troubled(400, seed=3)
    store = log_with(events, MemoryStore(now_ms=clock()))
    source = LogSource(store, follow=False, batch_size=37)
    learner, _ = run(source, store, publish_interval_ms=0, workers=3)
    assert outcome(learner, store) == uninterrupted(events)


def test_a_replica_of_the_published_log_equals_the_learner() -> None:
    store = log_with(troubled(300), MemoryStore())
    learner, _ = run(LogSource(store, follow=False, batch_size=20), store, publish_interval_ms=0)
    assert store.version() > 10
    replica = Replica(store)
    while replica.refresh():
        pass
    assert encode_publish(replica.state.snapshot()) == model_of(learner)


def test_catalogue_updates_reach_the_model_in_order() -> None:
    events = [
        ("interaction", payload(interaction(0, item_id="tea"))),
        ("item", payload({"item_id": "tea", "title": "Tea"})),
        ("item", payload({"item_id": "tea", "title": "Green tea"})),
    ]
    store = log_with(events, MemoryStore())
    learner, tally = run(LogSource(store, follow=False), store)
    assert learner.state.title_of("tea") == "Green tea"
    assert tally.verdicts["item", "accepted"] == 2


def test_a_forgotten_user_has_no_state() -> None:
    events = [
        ("interaction", payload(interaction(0, user_id="u1"))),
        ("forget", payload({"user_id": "u1"})),
    ]
    store = log_with(events, MemoryStore(now_ms=clock()))
    run(LogSource(store, follow=False), store)
    assert users_of(store) == {}
    later = ("interaction", payload(interaction(1, user_id="u1", item_id="new")))
    store.append_events([later])
    run(LogSource(store, follow=False), store)
    assert [visit.item_id for visit in users_of(store)["u1"].history] == ["new"]


def test_impressions_are_counted() -> None:
    shown = {"request_id": "r", "user_id": "u1", "time_ms": START_MS, "items": []}
    store = log_with([("impression", payload(shown))], MemoryStore())
    _, tally = run(LogSource(store, follow=False), store)
    assert tally.verdicts == {("impression", "accepted"): 1}
    assert users_of(store) == {}


def test_rows_that_are_all_filtered_out_still_move_the_mark(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_bytes(b"ts,user,item,value\n" + b"1760000000,u1,i1,2\n" * 5)
    store = MemoryStore()
    source = FileSource(path, min_value=4)
    _, tally = run(source, store)
    assert (tally.records, tally.filtered, tally.events) == (5, 5, 0)
    assert mark_of(store.low_marks(), source.topic, 0) == 5


# ---- crashes ---------------------------------------------------------------------------------


class AbortingSource(LogSource):
    """Dies after so many batches."""

    def __init__(self, store: MemoryStore, *, after: int, batch_size: int) -> None:
        super().__init__(store, follow=False, batch_size=batch_size)
        self.after = after

    def open_at(self, topic: str, partition: int, start: int | None) -> LogPartition:
        return AbortingPartition(self, start or 0)


class AbortingPartition(LogPartition):
    def next_batch(self) -> list[SourceBatch]:
        source = self._source
        assert isinstance(source, AbortingSource)
        source.after -= 1
        if source.after < 0:
            raise AbortExecution
        return super().next_batch()


def outcome(learner: Learner, store: MemoryStore) -> tuple[Any, ...]:
    progress = learner.state.progress
    return (
        users_of(store),
        store.dead_letters(limit=10_000),
        progress.trained,
        progress.absorbed,
        progress.marks,
    )


def uninterrupted(events: list[tuple[str, bytes]]) -> tuple[Any, ...]:
    store = log_with(events, MemoryStore(now_ms=clock()))
    learner, _ = run(LogSource(store, follow=False), store)
    return outcome(learner, store)


@pytest.mark.parametrize("interval_ms", [0, None], ids=["published always", "never published"])
def test_a_flow_that_is_aborted_and_started_again_counts_everything_once(
    interval_ms: int | None,
) -> None:
    events = troubled(400, seed=4)
    store = log_with(events, MemoryStore(now_ms=clock()))
    for after in (3, 7, 2, 11):
        source = AbortingSource(store, after=after, batch_size=23)
        run(source, store, publish_interval_ms=interval_ms)
    learner, _ = run(LogSource(store, follow=False), store, publish_interval_ms=interval_ms)
    assert outcome(learner, store) == uninterrupted(events)


class DyingStore(MemoryStore):
    """Dies in its n-th write, before or after the write takes effect."""

    def __init__(self) -> None:
        super().__init__(now_ms=clock())
        self.dies_in, self.dies_after_effect = 10**9, False

    def _write(self, write: Any, argument: Any) -> None:
        self.dies_in -= 1
        if self.dies_in == 0 and not self.dies_after_effect:
            raise Crash
        write(argument)
        if self.dies_in == 0:
            raise Crash

    def write_shards(self, writes: Any) -> None:
        self._write(super().write_shards, writes)

    def append(self, publish: Any, *, held: Any = None) -> None:
        self._write(partial(super().append, held=held), publish)

    def stage_base(self, number: int, part: Any) -> None:
        self._write(partial(super().stage_base, number), part)

    def keep_base(self, progress: Any, parts: int) -> None:
        self._write(partial(super().keep_base, parts=parts), progress)


@pytest.mark.parametrize("after_effect", [False, True])
def test_a_crash_in_any_write_loses_nothing_and_counts_nothing_twice(after_effect: bool) -> None:
    events = troubled(90, users=6, seed=5)
    wanted = uninterrupted(events)
    for dies_in in range(1, 12):
        store = DyingStore()
        log_with(events, store)
        store.dies_in, store.dies_after_effect = dies_in, after_effect
        with pytest.raises(BaseException) as crash:  # noqa: PT011
            run(LogSource(store, follow=False, batch_size=11), store, publish_interval_ms=0)
        assert isinstance(_cause(crash.value), Crash)
        learner, _ = run(LogSource(store, follow=False), store, publish_interval_ms=0)
        assert outcome(learner, store) == wanted


def _cause(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def test_a_store_that_is_away_for_a_while_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.patience.FIRST_WAIT_S", 0.0)
    events = troubled(150, seed=6)
    store = StormyStore()
    store._now_ms = clock()
    log_with(events, store)
    for method in (
        *("read_users", "read_marks", "write_shards", "append", "stage_base", "keep_base"),
        "read_events",
    ):
        store.weather.before[method] = store.weather.after[method] = 2
    learner, _ = run(LogSource(store, follow=False, batch_size=50), store, publish_interval_ms=0)
    assert outcome(learner, store) == uninterrupted(events)


def test_a_recovery_store_of_the_engine_never_moves_the_start_past_the_low_mark(
    tmp_path: Path,
) -> None:
    init_db_dir(tmp_path, 1)
    events = troubled(200, seed=7)
    store = log_with(events, MemoryStore(now_ms=clock()))
    recovery = RecoveryConfig(tmp_path)
    for after in (4, 3):
        run(AbortingSource(store, after=after, batch_size=20), store, recovery=recovery)
    learner, _ = run(
        LogSource(store, follow=False), store, publish_interval_ms=0, recovery=recovery
    )
    assert outcome(learner, store) == uninterrupted(events)
    store.append_events(events[:10])
    learner, _ = run(
        LogSource(store, follow=False), store, publish_interval_ms=0, recovery=recovery
    )
    assert learner.state.progress.marks == store.low_marks()


# ---- from the settings -----------------------------------------------------------------------


@pytest.mark.redis
def test_the_module_holds_a_flow_for_the_engines_own_command(
    monkeypatch: pytest.MonkeyPatch, redis_url: str, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RILLREC_STORE__REDIS_URL", redis_url)
    assert isinstance(flows.recommend.flow, Dataflow)
    assert "RILLREC_STORE__REDIS_URL" in os.environ


def test_the_module_has_nothing_else_to_offer() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'river'"):
        flows.recommend.river  # noqa: B018


EMBEDDED = """
import sys
from pathlib import Path
from flows.wiring import flow_of
from schemas.settings import Settings, StoreSettings

settings = Settings(store=StoreSettings(data_dir=Path(sys.argv[1])))
flow = flow_of(settings)
second = flow_of(settings)  # finds the Redis of the first
print("built", flush=True)
"""


@pytest.mark.redis
def test_without_a_redis_of_your_own_one_is_started_and_ends_with_the_process(
    tmp_path: Path,
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", EMBEDDED, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        timeout=240,
    )
    assert done.stdout == "built\n"
    assert (tmp_path / "redis" / "redis.log").is_file()
    store = RedisStore(EmbeddedRedis(tmp_path / "redis").url, name="default")
    with pytest.raises(StoreUnavailable):
        store.version()
    store.close()
