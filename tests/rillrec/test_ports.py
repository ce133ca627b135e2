"""Which port is taken: the wanted one, another, or none."""

import socket
from collections.abc import Iterator

import pytest

from rillrec.ports import choose_port
from schemas.errors import SettingsError

HOST = "127.0.0.1"


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        yield other.getsockname()[1]


def refuse(note: str) -> None:
    raise AssertionError(note)


def test_a_free_port_is_taken_without_a_word(free_port: int) -> None:
    for asked_for in (True, False):
        chosen = choose_port("p", free_port, host=HOST, asked_for=asked_for, tell=refuse)
        assert chosen == free_port


def test_port_0_takes_any_without_a_word() -> None:
    assert choose_port("serve.port", 0, host=HOST, asked_for=True, tell=refuse) > 0


def test_a_default_that_is_taken_gives_way_with_a_note(taken_port: int) -> None:
    notes: list[str] = []
    port = choose_port("serve.port", taken_port, host=HOST, asked_for=False, tell=notes.append)
    assert port not in (0, taken_port)
    assert notes == [f"note: port {taken_port} is taken, serve.port is {port} instead"]


def test_a_port_that_was_asked_for_and_is_taken_is_refused(taken_port: int) -> None:
    with pytest.raises(SettingsError) as caught:
        choose_port("serve.port", taken_port, host=HOST, asked_for=True, tell=refuse)
    assert str(caught.value) == (
        f"serve.port is {taken_port}, and something listens there already: stop it, or choose "
        "another port"
    )


@pytest.mark.parametrize("host", ["192.0.2.1", "not.a.host.invalid"])
def test_a_host_of_another_machine_is_refused(host: str) -> None:
    with pytest.raises(SettingsError, match=rf"serve\.host is '{host}', where this machine can't"):
        choose_port("serve.port", 5_000, host=host, asked_for=True, tell=refuse)
