"""What a replay leaves in the store is what the scorer serves."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path

import pytest

from rillrec.client import Client
from schemas.errors import CallFailed
from tests.integration.conftest import Start
from tests.integration.processes import alive, descendants
from tests.patience import until
from tests.rillrec.streams import planted_clicks, write_csv

pytestmark = [pytest.mark.slow, pytest.mark.redis]


def test_a_replayed_model_is_served_to_the_users_of_the_file(start: Start, tmp_path: Path) -> None:
    file, data = write_csv(tmp_path / "clicks.csv", 1_000), str(tmp_path / "data")
    replay = start("replay", str(file), "--unit", "user", "--into", "shop", "--data-dir", data)
    assert replay.ended() == 0
    said = replay.wait_for(r"serve it: rillrec (serve .*)")[1].split()
    serve = start(*said, "--data-dir", data, "--port", "0")
    address = serve.wait_for(r"listens on (\S+) \(gRPC\)")[1]
    clicks = planted_clicks(1_000)
    user = clicks[0].user_id
    held = {click.item_id for click in clicks if click.user_id == user}
    with Client(address, timeout_s=200.0) as client:
        until(lambda: client.model_info().absorbed_events == 1_000)
        assert client.model_info().name == "shop"
        slate = client.recommend(user, 10)
        assert slate.known_user
        assert not held & {item.item_id for item in slate.items}, "users exclude their past items"
        known = slate.items[0].item_id
        scores = client.score(user, [known, "never seen"])
        assert isinstance(scores[known], float)
        assert scores["never seen"] is None
        assert all(item.item_id != known for item in client.similar_items(known, 5))
    serve.process.terminate()
    assert serve.ended() == 0


def test_a_flow_that_reads_otherwise_refuses_a_replayed_model(start: Start, tmp_path: Path) -> None:
    file, data = write_csv(tmp_path / "clicks.csv", 200), str(tmp_path / "data")
    replay = start("replay", str(file), "--unit", "user", "--into", "shop", "--data-dir", data)
    assert replay.ended() == 0
    flow = start("flow", "--model", "shop", "--data-dir", data)
    assert flow.ended() == 3
    flow.wait_for(r"error: the model has learnt with stream\.unit = 'user'.*--unit, --repeats")
    assert "stack backtrace" not in flow.output.read_text()


def test_a_user_who_asks_is_forgotten(start: Start, tmp_path: Path) -> None:
    file, data = write_csv(tmp_path / "clicks.csv", 200), str(tmp_path / "data")
    assert start("replay", str(file), "--into", "shop", "--data-dir", data).ended() == 0
    up = start("up", "--model", "shop", "--data-dir", data, "--port", "0")
    address = up.wait_for(r"ready: the scorer listens on (\S+)")[1]
    user = planted_clicks(1)[0].user_id
    with Client(address, timeout_s=200.0) as client:
        assert client.recommend(user, 5).known_user
        assert not client.recommend(user, 5, after=client.forget(user)).known_user


def test_a_call_that_fails_tells_the_address_and_why(start: Start, tmp_path: Path) -> None:
    serve = start("serve", "--port", "0")
    serve.wait_for("note: no model called 'default' is published yet: slates stay empty")
    address = serve.wait_for(r"listens on (\S+) \(gRPC\)")[1]
    with Client(address, timeout_s=200.0) as client:
        with pytest.raises(CallFailed) as caught:
            client.recommend("")
        assert caught.value.code == "INVALID_ARGUMENT"
        assert str(caught.value).startswith(f"the scorer at {address} answered INVALID_ARGUMENT: ")
        serve.process.kill()
        serve.ended()
        with pytest.raises(CallFailed) as caught:
            client.model_info()
        assert caught.value.code == "UNAVAILABLE"


def test_ctrl_c_ends_a_replay_with_the_report_so_far(start: Start, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "clicks.csv", 100_000)
    dead = tmp_path / "dead.jsonl"
    file.write_text(file.read_text().replace("\n", "\nno row at all\n", 1))
    replay = start("replay", str(file), "--into", "shop", "--json", "--dead-letters", str(dead))
    while not dead.exists() or not dead.stat().st_size:  # a first batch has been read
        assert replay.process.poll() is None, replay.text
    processes = descendants(replay.process.pid)
    replay.process.send_signal(signal.SIGINT)
    assert replay.ended() == 130
    assert not any(alive(pid) for pid in processes)
    report = json.loads(replay.text[: replay.text.rindex("}") + 1])
    assert 0 < report["events"] < 100_000
    again = start("replay", str(file), "--into", "shop", "--limit", "1000", "--json")
    assert again.ended() == 0
    assert not re.search("Traceback|panicked", replay.text + again.text)
