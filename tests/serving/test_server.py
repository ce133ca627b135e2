"""A server that can't listen says what to change; one that can lets go of everything at the end."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request

import pytest

from schemas import metrics
from schemas.errors import SettingsError
from schemas.user_state import StreamRules
from serving.server import ScorerServer

pytestmark = pytest.mark.redis

NOBODY = "redis://127.0.0.1:1"
PROCESS = """
import sys
from schemas.user_state import StreamRules
from serving.running import run
from serving.server import ScorerServer
server = ScorerServer(sys.argv[1], name="test", rules=StreamRules(), port=0)
run(server, on_start=lambda server: print(server.port, flush=True))
print("ended", flush=True)
"""


def server_at(url: str, **options: object) -> ScorerServer:
    return ScorerServer(url, name="test", rules=StreamRules(), **options)  # type: ignore[arg-type]


@pytest.fixture
def taken() -> socket.socket:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener


async def test_taken_port_is_refused_with_what_to_set(taken: socket.socket) -> None:
    port = taken.getsockname()[1]
    server = server_at(NOBODY, port=port)
    with pytest.raises(SettingsError, match=rf"listen on 127\.0\.0\.1:{port}: .*set serve\.host"):
        await server.start()
    await server.stop()


async def test_host_of_another_machine_is_refused() -> None:
    server = server_at(NOBODY, host="192.0.2.1", port=0)
    with pytest.raises(SettingsError, match=r"can't listen on 192\.0\.2\.1:0"):
        await server.start()
    await server.stop()


async def test_taken_metrics_port_is_refused_with_what_to_set(taken: socket.socket) -> None:
    port = taken.getsockname()[1]
    server = server_at(NOBODY, port=0, metrics_port=port)
    with pytest.raises(SettingsError, match=rf"metrics .*:{port}: .*set serve\.metrics_port"):
        await server.start()
    await server.stop()


async def test_metrics_are_served_and_end_with_the_server(redis_url: str) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = server_at(redis_url, port=0, metrics_port=port)
    await server.start()
    page = f"http://127.0.0.1:{port}/metrics"
    text = await asyncio.to_thread(lambda: urllib.request.urlopen(page).read().decode())
    assert metrics.REPLICA_VERSION.name in text
    await server.stop()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


async def test_two_servers_share_a_port_where_asked(redis_url: str) -> None:
    one = server_at(redis_url, port=0, reuse_port=True)
    await one.start()
    other = server_at(redis_url, port=one.port, reuse_port=True)
    await other.start()
    assert one.port == other.port
    await one.stop()
    await other.stop()


async def test_nothing_is_left_of_a_server_that_was_stopped(redis_url: str) -> None:
    threads = set(threading.enumerate())
    server = server_at(redis_url, port=0)
    await server.start()
    await server.stop()
    left = {thread.name for thread in set(threading.enumerate()) - threads}
    assert not {name for name in left if name.startswith("follower")}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_process_ends_in_order_when_told_to(redis_url: str, number: signal.Signals) -> None:
    command = [sys.executable, "-W", "error", "-c", PROCESS, redis_url]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stderr
        assert int(process.stdout.readline()) > 0
        os.kill(process.pid, number)
        assert process.stdout.read() == "ended\n"
        assert process.stderr.read() == ""
    assert process.returncode == 0
