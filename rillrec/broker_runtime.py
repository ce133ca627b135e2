"""What runs a Kafka broker here: Java with Kafka's jars, else a container."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from rillrec.kafka_jars import cache, jars, java, kafka_version
from schemas.errors import ProcessFailed

IMAGE_JARS = "/opt/kafka/libs"
DOCKER_ANSWERS_S = 20.0


class Runtime(Struct, frozen=True):
    """How to run Java with Kafka's classes.

    ``command`` comes before Java's own arguments. ``container`` names the container that it runs
    in, which ``SIGKILL`` to the command would leave running.
    """

    command: tuple[str, ...]
    jars: str
    container: str = ""

    def java(self, *arguments: str) -> list[str]:
        """Return the command that runs Java with arguments, and with Kafka's classes."""
        return [*self.command, "-cp", f"{self.jars}/*", *arguments]

    def kill(self) -> None:
        """End the container, where there is one."""
        if self.container:
            subprocess.run([self.command[0], "kill", self.container], capture_output=True)


def runtime_for(
    directory: Path, *, own_jars: Path | None = None, tell: Callable[[str], None] = lambda _: None
) -> Runtime:
    """Return what can run a broker here; Kafka's jars have been fetched where they were missing.

    Parameters
    ----------
    directory
        Of the broker, which a container is given to write to.
    own_jars
        Where the jars are; ``None``: in the cache, which Maven fills once.
    tell
        Is handed what takes long, in words.

    Raises
    ------
    ProcessFailed
        Nothing here can, or the jars can't be fetched.
    """
    runtime = java()
    if own_jars is not None:
        if not any(own_jars.glob("kafka_*.jar")):
            raise ProcessFailed(f"{own_jars} holds no jars of Kafka: name the directory of them")
        if runtime:
            return Runtime((runtime,), str(own_jars))
    elif runtime and (cache().is_dir() or shutil.which("mvn")):
        return Runtime((runtime,), str(jars(tell)))
    elif docker := _docker():
        return _in_container(docker, directory)
    raise ProcessFailed(
        f"a Kafka broker takes Java 17 or newer{'' if own_jars else ' and Maven'}, and there is no "
        f"{'Maven' if runtime else 'Java'}: install them (Debian: default-jre-headless maven), "
        "start Docker, or name a broker of your own in kafka.brokers"
    )


def _docker() -> str | None:
    """Return Docker's client if its server answers."""
    docker = shutil.which("docker")
    if docker is None:
        return None
    try:
        answer = subprocess.run([docker, "info"], capture_output=True, timeout=DOCKER_ANSWERS_S)
    except subprocess.TimeoutExpired:
        return None
    return docker if answer.returncode == 0 else None


def _in_container(docker: str, directory: Path) -> Runtime:
    name = f"rillrec-kafka-{os.urandom(6).hex()}"
    command = (
        docker, "run", "--rm", "--name", name, "--network", "host",
        "--user", f"{os.getuid()}:{os.getgid()}", "--volume", f"{directory}:{directory}",
        "--entrypoint", "java", f"apache/kafka:{kafka_version()}",
    )  # fmt: skip
    return Runtime(command, IMAGE_JARS, container=name)
