"""``rillrec broker``: a Kafka broker on this machine, to try things with."""

from __future__ import annotations

import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rillrec.options import Parent, need_kafka_extra

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rillrec.broker import Broker

PORT = 9_092
POLL_S = 0.2


def broker(
    port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65_535,
            help="To listen on, at 127.0.0.1; 0 takes a free one [default: 9092, or a free one "
            "where that is taken].",
            show_default=False,
        ),
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Where it keeps what it is sent [default: ~/.local/share/rillrec/kafka].",
            show_default=False,
        ),
    ] = None,
    jars: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Kafka's jars, such as libs of a download [default: fetched once by Maven into "
            "~/.cache/rillrec].",
            show_default=False,
        ),
    ] = None,
    parent: Parent = None,
) -> None:
    """Run a Kafka broker on this machine, to try Rillrec with.

    It is Apache Kafka itself, one node in KRaft mode. Takes Java 17 and, the first time, Maven
    (Debian: apt-get install default-jre-headless maven); else Docker. What it is sent is there
    again the next time. Anybody on this machine may use it, nobody else: it is not for production.
    Ctrl-C ends it in order.

    \b
    Examples:
      rillrec broker
      rillrec broker --port 9192 --data-dir /tmp/kafka
      rillrec broker --jars ~/kafka_2.13-4.1.0/libs
    """
    from rillrec.parent import end_with_parent

    end_with_parent(parent)
    need_kafka_extra("broker")
    from rillrec.broker import Broker
    from rillrec.ports import choose_port
    from rillrec.signals import orderly_end

    directory = data_dir or Path("~/.local/share/rillrec/kafka").expanduser()
    chosen = port
    if port != 0:
        chosen = choose_port(
            "port", port or PORT, host="127.0.0.1", asked_for=port is not None, tell=_tell
        )
    server = Broker(directory, port=chosen or 0, jars=jars, tell=_tell)
    with orderly_end() as ending, _running(server):
        _explain(server.address, directory)
        while True:
            ending.check()
            server.check_runs()
            time.sleep(POLL_S)


@contextmanager
def _running(server: Broker) -> Iterator[None]:
    _tell("starting Kafka: this takes some seconds")
    with server:
        try:
            yield
        finally:
            _tell("ending Kafka in order")


def _tell(text: str) -> None:
    typer.echo(text, err=True)


def _explain(address: str, directory: Path) -> None:
    typer.echo(f"Kafka answers at {address}, and keeps what it is sent in {directory}")
    typer.echo(
        "In another terminal:\n"
        f"  rillrec topics create --brokers {address}\n"
        f"  rillrec produce clicks.csv.gz --brokers {address}\n"
        f"  rillrec flow --kafka {address}\n"
        "Ctrl-C ends it."
    )
