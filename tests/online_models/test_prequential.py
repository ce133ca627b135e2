from __future__ import annotations

import msgspec
import numpy as np
import pytest

from online_models.learner import Learner
from online_models.prequential import Evaluator
from online_models.recommender import Ranking
from online_models.sessions import absorb
from online_models.state import ModelState
from schemas.events import Interaction
from schemas.examples import Example
from schemas.user_state import StreamRules, UserState
from tests.builders import SMALL, START_MS, Stream, chains, contents, learn, random_stream

DAY_MS = 86_400_000


def evaluate(stream: Stream, **options: object) -> tuple[Evaluator, dict[str, object]]:
    state = ModelState(SMALL)
    options = {"warm_up": 0.0, **options}
    evaluator = Evaluator(state, **options)  # type: ignore[arg-type]
    learning = Learner(state, observer=evaluator, micro_batch=16, publish_interval_ms=None)
    learning.learn_many(stream.examples)
    learning.close_micro_batch()
    return evaluator, evaluator.report()


def watched(
    examples: list[Example], options: dict[str, object], **learns: object
) -> tuple[Evaluator, Learner]:
    """Learn as nobody watching would, with somebody watching."""
    state = ModelState(SMALL)
    evaluator = Evaluator(state, **options)  # type: ignore[arg-type]
    learns = {"micro_batch": 16, "publish_interval_ms": None, **learns}
    learning = Learner(state, observer=evaluator, **learns)  # type: ignore[arg-type]
    learning.learn_many(examples)
    learning.close_micro_batch()
    return evaluator, learning


def ranks(evaluator: Evaluator) -> list[int]:
    return evaluator.predictions.column("rank").tolist()  # type: ignore[no-any-return]


def test_ranks_are_those_just_before_the_event() -> None:
    stream = Stream()
    for unit, item in [("s", "a"), ("s", "b"), ("t", "a"), ("t", "b"), ("t", "c")]:
        stream.add(unit, item)
    evaluator, report = evaluate(stream)
    assert report["scored"] == 3
    assert ranks(evaluator)[0] == 0, "b was unknown"
    assert ranks(evaluator)[1] > 0
    assert ranks(evaluator)[2] == 0, "c was unknown"
    assert report["candidate_recall"] == 0.3333
    assert report["metrics"]["hr@10"] == 0.3333  # type: ignore[index]
    assert report["by_source"]["rules"]["mrr@20"] == 0.3333  # type: ignore[index]


def test_a_target_that_was_seen_is_a_miss() -> None:
    stream = Stream(excludes=True)
    for unit, item in [("s", "a"), ("s", "b"), ("t", "a"), ("t", "b"), ("t", "b")]:
        stream.add(unit, item)
    evaluator, _ = evaluate(stream)
    assert ranks(evaluator)[1] == 1
    assert ranks(evaluator)[2] == 0


def test_first_events_are_scored_of_users_only() -> None:
    stream = Stream()
    for unit in "stuv":
        stream.add(unit, "a")
        stream.add(unit, "b")
    assert evaluate(stream, unit="session")[1]["scored"] == 4
    evaluator, report = evaluate(stream, unit="user")
    assert report["scored"] == 8
    assert ranks(evaluator)[2] == 1


def test_predictions_of_the_warm_up_are_not_reported() -> None:
    stream = Stream()
    for n in range(10):
        stream.add("s", f"i{n % 2}")
    assert [evaluate(stream, warm_up=w)[1]["scored"] for w in (0.0, 0.1, 0.5, 0.9)] == [9, 9, 5, 1]


def test_the_last_half_is_reported_apart() -> None:
    stream = Stream()
    for n in range(6):
        stream.add("s", f"once{n}")
    for n in range(6):
        stream.add("t", "ab"[n % 2])
    report = evaluate(stream)[1]
    assert report["metrics"]["hr@20"] < report["metrics_last_half"]["hr@20"]  # type: ignore[index]


def test_events_of_weight_0_are_counted_but_not_scored() -> None:
    stream = Stream()
    stream.add("s", "a")
    stream.add("s", "b", weight=0)
    evaluator, report = evaluate(stream)
    assert (evaluator.events, report["scored"]) == (2, 0)


def test_every_nth_unit_is_scored_by_order_of_first_appearance() -> None:
    stream = Stream()
    for unit in ["s0", "s1", "s2", "s3", "s3", "s2", "s1", "s0", "s0", "s4", "s4"]:
        stream.add(unit, "a")
    assert evaluate(stream, score_every=2)[1]["scored"] == 2 + 1 + 1
    assert evaluate(stream, score_every=4)[1]["scored"] == 2 + 1


def test_a_unit_that_is_opened_twice_out_of_order_has_one_number() -> None:
    stream = Stream()
    for unit in ["s0", "s0", "s1", "s1", "s2", "s2", "s2"]:
        stream.add(unit, "a")
    stream.examples[1] = msgspec.structs.replace(stream.examples[1], opens_unit=True)
    assert evaluate(stream, score_every=2)[1]["scored"] == 2, "those of s2"


@pytest.mark.parametrize("unit", ["session", "user"])
def test_scoring_less_changes_what_is_reported_but_not_what_is_learnt(unit: str) -> None:
    stream = Stream(examples=random_stream(400, items=80))
    wanted = contents(learn(stream.examples).state)
    scored = []
    for score_every in (1, 3, 1_000):
        evaluator, learning = watched(stream.examples, {"unit": unit, "score_every": score_every})
        scored.append(evaluator.report()["scored"])
        assert contents(learning.state) == wanted
    assert scored[0] > scored[1] > scored[2]


def test_sampled_lists_are_learnt_alike_whoever_watches() -> None:
    stream = Stream(examples=chains(400))
    sampled = {"lists_every": 3, "all_lists_until": 0}
    wanted = contents(learn(stream.examples, **sampled).state)
    _, learning = watched(stream.examples, {"unit": "user"}, **sampled)
    assert contents(learning.state) == wanted


class LastLook:
    """Keeps the ranking of the last of so many examples."""

    def __init__(self, examples: int) -> None:
        self.left, self.seen = examples, (np.empty(0), np.empty(0), np.empty(0))

    def wants(self, example: Example) -> bool:
        self.left -= 1
        return self.left == 0

    def observe(self, example: Example, ranking: Ranking) -> None:
        self.seen = (ranking.candidates.rows, ranking.top(20), ranking.features.copy())


@pytest.mark.parametrize("unit", ["session", "user"])
@pytest.mark.parametrize("user_id", ["u1", "somebody new"])
@pytest.mark.parametrize("later_ms", [1, 60_000, 30 * 60_000, 40 * DAY_MS])
def test_nothing_of_an_event_reaches_the_slate_that_predicts_it(
    unit: str, user_id: str, later_ms: int
) -> None:
    rng = np.random.default_rng(1)
    rules = StreamRules(unit=unit)
    events = [
        Interaction(
            event_id=f"e{n}",
            user_id=user_id if n == 299 else f"u{rng.integers(9)}",
            item_id=f"i{rng.integers(30)}",
            kind="click",
            time_ms=START_MS + n * 60_000,
            session_id="one that goes on",
            context={"hour": n},
        )
        for n in range(300)
    ]
    other = msgspec.structs.replace(
        events[-1],
        time_ms=events[-1].time_ms + later_ms,
        item_id="another",
        context={"hour": "odd"},
        value=9.0,
    )
    looks = []
    for stream in (events, [*events[:-1], other]):
        states: dict[str, UserState | None] = {}
        examples = []
        for n, event in enumerate(stream):
            absorbed = absorb(
                states.get(event.user_id), event, rules,
                topic="t", partition=0, offset=n, contained=False,
            )  # fmt: skip
            states[event.user_id] = absorbed.state
            assert absorbed.example is not None
            examples.append(absorbed.example)
        looks.append(LastLook(len(examples)))
        learn(examples, observer=looks[-1])
    for one, two in zip(looks[0].seen, looks[1].seen, strict=True):
        assert len(one)
        np.testing.assert_array_equal(one, two)


def test_whether_a_target_is_a_candidate_is_told_by_those_before() -> None:
    evaluator, _ = watched(random_stream(400, items=120), {"warm_up": 0.0})
    recall = evaluator.predictions.column("recall")
    ranked = ~np.isnan(evaluator.predictions.column("slate_confidence"))
    assert np.array_equal(np.isnan(recall), ~ranked)
    found = evaluator.predictions.column("candidate")[ranked].mean()
    assert 0.2 < found < 0.95
    assert recall[ranked].mean() == pytest.approx(found, abs=0.1)


def test_coverage_is_the_share_of_known_items_that_were_shown() -> None:
    stream = Stream()
    for n in range(4):
        stream.add(f"s{n}", "ab"[n % 2])
        stream.add(f"s{n}", "ab"[n % 2])
    report = evaluate(stream, top=1)[1]
    assert 0.5 <= report["coverage"] <= 1  # type: ignore[operator]


def test_a_stream_without_predictions_has_a_report() -> None:
    report = Evaluator(ModelState(SMALL)).report()
    assert (report["scored"], report["coverage"], report["candidate_recall"]) == (0, 0.0, 0.0)
    assert set(report["by_source"]) == {"popularity", "rules", "encoder"}
    assert not np.any(list(report["metrics"].values()))


@pytest.mark.parametrize(
    ("argument", "value", "bound"),
    [
        ("score_every", 0, "must be at least 1"),
        ("top", 0, "must be at least 1"),
        ("warm_up", 1.0, r"must lie in \[0, 1\)"),
        ("warm_up", -0.1, r"must lie in \[0, 1\)"),
    ],
)
def test_bounds_of_arguments_are_told(argument: str, value: float, bound: str) -> None:
    with pytest.raises(ValueError, match=f"{argument} is {value}, it {bound}"):
        Evaluator(ModelState(SMALL), **{argument: value})  # type: ignore[arg-type]
