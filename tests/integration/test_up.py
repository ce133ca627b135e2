"""`rillrec up` as people run it: it serves, it mends itself, and it leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
import socket
import time
from pathlib import Path

import pytest

from rillrec.client import Client, Slate
from rillrec.crowd import UNCAPPED
from rillrec.local import Local
from rillrec.simulation import Click, Simulation, catalogue_updates, event_of
from schemas.errors import CallFailed, ProcessFailed
from schemas.settings import Settings, StoreSettings
from tests.integration.conftest import Start
from tests.integration.processes import Rillrec, alive, command_of, descendants, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.redis]


def up(start: Start, *arguments: str) -> tuple[Rillrec, Client, list[int]]:
    one = start("up", *arguments)
    address = one.wait_for(r"ready: the scorer listens on (\S+)")[1]
    processes = descendants(one.process.pid)
    assert len(processes) == 3, [command_of(pid) for pid in processes]
    return one, Client(address, timeout_s=200.0), processes


def teach(client: Client) -> None:
    """Track clicks of a crowd, and wait until they are learnt."""
    crowd = Simulation(visitors=30, seed=0)
    stream = crowd.clicks()
    now_ms = time.time_ns() // 1_000_000
    events = [event_of(next(stream), number=n, time_ms=now_ms - 600_000 + n) for n in range(400)]
    client.track(catalogue_updates(crowd))
    client.track(events)
    wait_until(lambda: client.model_info().absorbed_events >= 400)


def click(client: Client, item_id: str, number: int) -> Slate:
    now_ms = time.time_ns() // 1_000_000
    event = event_of(Click("ann", item_id), number=10_000 + number, time_ms=now_ms)
    after = client.track([event])[0].position
    return client.recommend("ann", 5, after=after, rules=UNCAPPED)  # else 2 of 5 are of chess


def test_clicks_change_the_slate_and_ctrl_c_leaves_no_process(start: Start) -> None:
    one, client, processes = up(start, "--port", "0")
    with client:
        teach(client)
        before = client.recommend("ann", 5)
        after = click(client, "chess-03", 1)
        assert not before.known_user
        assert after.known_user
        assert [item.item_id for item in before.items] != [item.item_id for item in after.items]
        assert sum(item.item_id.startswith("chess") for item in after.items) >= 3
        assert after.items[0].title.endswith("(chess)")
    one.process.send_signal(signal.SIGINT)
    assert one.ended() == 130
    assert not any(alive(pid) for pid in processes)
    assert "Traceback" not in one.text


def test_kill_9_of_the_supervisor_leaves_no_process(start: Start) -> None:
    one, client, processes = up(start, "--port", "0")
    client.close()
    one.process.kill()
    one.ended()
    wait_until(lambda: not any(alive(pid) for pid in processes))


def test_a_part_that_is_killed_comes_back_and_nothing_is_lost(start: Start) -> None:
    one, client, processes = up(start, "--port", "0")
    with client:
        teach(client)
        for pid in processes:
            os.kill(pid, signal.SIGKILL)
        one.wait_for("redis has ended; starting it again")
        one.wait_for("the flow was ended by SIGKILL; starting it again in 0.5 s")
        one.wait_for("the scorer was ended by SIGKILL; starting it again in 0.5 s")

        def answers() -> bool:
            try:
                return client.model_info().absorbed_events >= 400
            except CallFailed:
                return False

        wait_until(answers)
        slate = click(client, "chess-03", 1)
        assert sum(item.item_id.startswith("chess") for item in slate.items) >= 3


def test_sigterm_ends_it_in_order_and_what_was_learnt_stays(start: Start, tmp_path: Path) -> None:
    one, client, processes = up(start, "--port", "0", "--data-dir", str(tmp_path / "data"))
    with client:
        teach(client)
        before = client.model_info()
    one.process.terminate()
    assert one.ended() == 0
    assert not any(alive(pid) for pid in processes)
    _, client, _ = up(start, "--port", "0", "--data-dir", str(tmp_path / "data"))
    with client:
        wait_until(lambda: client.model_info().absorbed_events == before.absorbed_events)
        assert client.model_info().items == before.items


def test_two_that_run_at_once_take_different_ports(start: Start) -> None:
    _, first, _ = up(start)
    other, second, _ = up(start)
    assert first.address != second.address
    assert "is taken, serve.port is" in other.text
    first.close()
    second.close()


def test_a_port_that_was_asked_for_and_is_taken_is_refused(start: Start) -> None:
    _, client, _ = up(start, "--port", "0")
    port = client.address.partition(":")[2]
    client.close()
    other = start("up", "--port", port)
    assert other.ended() == 3
    assert other.text.endswith(
        f"error: serve.port is {port}, and something listens there already: stop it, or choose "
        "another port\n"
    )


def test_one_data_directory_is_for_one_at_a_time(start: Start, tmp_path: Path) -> None:
    _, client, _ = up(start, "--port", "0", "--data-dir", str(tmp_path / "data"))
    client.close()
    other = start("up", "--port", "0", "--data-dir", str(tmp_path / "data"))
    assert other.ended() == 4
    assert "error: a Redis of Rillrec runs in" in other.text
    assert "choose another store.data_dir" in other.text


def test_who_does_not_get_ready_is_told_by_name(tmp_path: Path) -> None:
    settings = Settings(store=StoreSettings(data_dir=tmp_path))
    with Local(settings, tell=lambda _: None) as local:
        flow = local.pids["flow"]
        os.kill(flow, signal.SIGSTOP)
        try:
            with pytest.raises(ProcessFailed, match=r"the flow .*did not get ready within 2 s"):
                local.wait_until_ready(timeout_s=2)
        finally:
            os.kill(flow, signal.SIGCONT)


def test_ctrl_c_before_it_is_ready_leaves_no_process_either(start: Start) -> None:
    one = start("up", "--port", "0")
    wait_until(lambda: len(descendants(one.process.pid)) == 3)
    processes = descendants(one.process.pid)
    one.process.send_signal(signal.SIGINT)
    assert one.ended() == 130
    # A child that was just being forked is nobody's yet: it ends as it misses its parent.
    wait_until(lambda: not any(alive(pid) for pid in processes))


def test_the_demo_shows_slates_that_change_and_ends_by_itself(start: Start) -> None:
    demo = start("demo")
    assert demo.ended() == 0, demo.text
    assert "sees what trends:" in demo.text
    assert re.search(r"click on 'Walnut Board': the slate reflects it after \d+ ms", demo.text)
    for taste in ("chess", "sailing"):
        found = re.search(rf"(\d) of 8 are new \(\+\), (\d) are of {taste}", demo.text)
        assert found, demo.text
        assert int(found[1]) >= 2
        assert int(found[2]) >= 6


def test_ctrl_c_ends_a_live_demo_and_leaves_nothing(start: Start) -> None:
    demo = start("demo", "--seconds", "600")
    demo.wait_for("all that took")
    processes = descendants(demo.process.pid)
    time.sleep(1.0)
    demo.process.send_signal(signal.SIGINT)
    assert demo.ended() == 130
    assert not any(alive(pid) for pid in processes)
    assert "Traceback" not in demo.text


def test_a_flow_that_is_ended_has_published_all_it_read(start: Start, tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    flow = start("flow", "--data-dir", data)
    flow.wait_for("reading the event log")
    serve = start("serve", "--data-dir", data, "--port", "0")
    address = serve.wait_for(r"listens on (\S+) \(gRPC\)")[1]
    with Client(address, timeout_s=200.0) as client:
        teach(client)
        click(client, "chess-03", 1)
        flow.process.terminate()
        assert flow.ended() == 0
    serve.process.send_signal(signal.SIGINT)
    assert serve.ended() == 130
    again = start("flow", "--data-dir", data)
    again.wait_for("reading the event log")
    served = start("serve", "--data-dir", data, "--port", "0")
    address = served.wait_for(r"listens on (\S+) \(gRPC\)")[1]
    with Client(address, timeout_s=200.0) as client:
        wait_until(lambda: client.model_info().absorbed_events == 401)


def test_the_doctor_finds_all_well_while_it_runs(start: Start, tmp_path: Path) -> None:
    config = tmp_path / "rillrec.toml"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config.write_text(f'[store]\ndata_dir = "{tmp_path / "data"}"\n[serve]\nport = {port}\n')
    _, client, _ = up(start, "--config", str(config))
    with client:
        teach(client)
    doctor = start("doctor", "--config", str(config))
    assert doctor.ended() == 0
    for line in ("model", "event log", "dead letters", "flow", "scorer"):
        assert re.search(rf"^ok +{line} ", doctor.text, re.MULTILINE), doctor.text
