"""A Kafka broker on this machine, with the topics that are needed, beside all else that runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rillrec.broker import Broker
from rillrec.kafka_client import Admin
from rillrec.supervisor import Tell
from rillrec.topics import create, plans
from schemas.errors import ProcessFailed
from schemas.settings import Settings


class LocalKafka:
    """A broker that is started again when it crashes.

    Parameters
    ----------
    settings
        Of this process; their ``brokers`` are replaced by this one.
    tell
        Is handed what happens, in words.
    """

    def __init__(self, settings: Settings, *, tell: Tell) -> None:
        self._tell = tell
        self._broker = Broker(settings.store.data_dir / "kafka", tell=tell)
        kafka = settings.kafka.model_copy(update={"brokers": self._broker.address})
        # A copy knows not that it was set, and the children are given only what was.
        said = {**settings.kafka.model_dump(exclude_unset=True), "brokers": kafka.brokers}
        self.settings = settings.model_copy(update={"kafka": type(kafka)(**said)})

    def start(self) -> None:
        """Start the broker, and make the topics that are missing.

        Raises
        ------
        ProcessFailed
            Nothing here can run a broker, or it does not start.
        """
        self._tell("starting Kafka: this takes some seconds")
        self._broker.start()
        create(Admin(self.settings.kafka), plans(self.settings.kafka))

    def watch(self) -> None:
        """Start the broker again where it has crashed."""
        try:
            self._broker.check_runs()
        except ProcessFailed as error:
            self._tell(f"{error}; starting it again")
            self._broker.start()

    def stop(self) -> None:
        """End the broker in order."""
        self._broker.stop()


@contextmanager
def local_kafka(settings: Settings, *, tell: Tell) -> Iterator[LocalKafka]:
    """Give a broker that runs while the block does."""
    kafka = LocalKafka(settings, tell=tell)
    try:
        kafka.start()
        yield kafka
    finally:
        kafka.stop()
