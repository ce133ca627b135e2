"""A broker and a Redis of one's own, on free ports and in a directory that is gone afterwards."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct
from pydantic import SecretStr

from rillrec.broker import Broker
from rillrec.kafka_client import Admin
from rillrec.local import Local
from rillrec.options import settings_of
from rillrec.supervisor import Tell
from rillrec.topics import create, plans
from schemas.settings import ServeSettings, Settings, StoreSettings
from schemas.settings_environ import CONFIG_VARIABLE, PREFIX, environ_of
from schemas.settings_kafka import KafkaSettings
from serving.store.embedded import EmbeddedRedis


class Testbed(Struct, frozen=True):
    """What the benches run on.

    Parameters
    ----------
    settings
        Of the processes: the user's own, but for where Kafka and Redis are.
    pids
        Processes beside the measured ones: name to process id.
    """

    __test__ = False  # no test, whatever pytest makes of the name

    settings: Settings
    partitions: int
    pids: dict[str, int]
    redis_url: str

    @property
    def topic(self) -> str:
        """The topic of interactions."""
        return self.settings.kafka.interactions_topic

    @property
    def environ(self) -> dict[str, str]:
        """The environment that gives a process these settings, and no others."""
        environ = {k: v for k, v in os.environ.items() if not k.startswith(PREFIX)}
        said = {CONFIG_VARIABLE: os.devnull, "PYTHONUNBUFFERED": "1"}
        return environ | environ_of(self.settings) | said


@contextmanager
def testbed(config: Path | None, *, partitions: int, tell: Tell) -> Iterator[Testbed]:
    """Give a broker with empty topics, and an empty Redis.

    Parameters
    ----------
    config
        A file of settings: those of the stream, the model and the flow apply.

    Raises
    ------
    BrokerError
        The broker does not start: it takes Java, and its jars or Maven to fetch them.
    StoreError
        Redis does not start.
    """
    with tempfile.TemporaryDirectory(prefix="rillrec-bench-") as folder:
        directory = Path(folder)
        tell("starting a Kafka broker and a Redis")
        with (
            Broker(directory / "kafka", tell=tell) as broker,
            EmbeddedRedis(directory / "redis", fsync="everysec") as redis,
        ):
            settings = _settings(config, broker.address, redis.url)
            create(Admin(settings.kafka), plans(settings.kafka, partitions=partitions))
            pids = {"redis": redis.pid or 0, "broker": broker.pid or 0}
            yield Testbed(settings, partitions, pids, redis.url)


def _settings(config: Path | None, brokers: str, redis_url: str) -> Settings:
    said = settings_of(config)
    ours = {
        "kafka": KafkaSettings(brokers=brokers),
        "store": StoreSettings(redis_url=SecretStr(redis_url)),
        "serve": ServeSettings(port=0, metrics_port=0),
        "flow": said.flow.model_copy(update={"metrics_port": 0}),
    }
    return said.model_copy(update=ours)


class Serving(Struct, frozen=True):
    """A scorer that serves, and all processes of the bench by name."""

    address: str
    pids: dict[str, int]


@contextmanager
def serving_on(bed: Testbed, *, tell: Tell) -> Iterator[Serving]:
    """Run a flow and a scorer as processes.

    Raises
    ------
    ProcessFailed
        One of them can't start, or they are not ready in time.
    """
    with Local(bed.settings, tell=tell) as local:
        local.wait_until_ready()
        yield Serving(local.address, {"bench": os.getpid(), **local.pids, **bed.pids})
