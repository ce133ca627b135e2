"""Apache Kafka's own jars, fetched once by Maven into a cache."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from schemas.errors import ProcessFailed

POM = Path(__file__).with_name("kafka-pom.xml")
"""What a broker needs, for Maven: ``deploy/kafka/pom.xml``, which the package holds too."""
_FETCH_TIMEOUT_S = 600
_VERSION = re.compile(r"<artifactId>kafka_2.13</artifactId>\s*<version>([^<]+)<")


def kafka_version() -> str:
    """Return the version of Kafka that the list of jars names."""
    found = _VERSION.search(POM.read_text(encoding="utf-8"))
    assert found, f"{POM} names no Kafka"
    return found[1]


def cache() -> Path:
    """Return where jars are kept; ``XDG_CACHE_HOME`` moves it, as it does for other programs."""
    home = os.environ.get("XDG_CACHE_HOME")
    base = Path(home) if home else Path.home() / ".cache"
    return base / "rillrec" / f"kafka-{kafka_version()}"


def java() -> str | None:
    """Return the ``java`` of this machine, if there is one: that of ``JAVA_HOME`` first."""
    home = os.environ.get("JAVA_HOME")
    return (shutil.which("java", path=f"{home}/bin") if home else None) or shutil.which("java")


def jars(tell: Callable[[str], None] = lambda _line: None) -> Path:
    """Return the directory of the jars, fetched now if they are not there yet.

    They are put into place whole, by one rename: two that fetch at once do not harm each other.

    Raises
    ------
    ProcessFailed
        Maven is not installed or fails, or the cache can't be written to.
    """
    place = cache()
    if place.is_dir():
        return place
    maven = shutil.which("mvn")
    if maven is None:
        raise ProcessFailed(
            "Kafka's jars are fetched by Maven, which is not installed: install it (Debian: "
            "maven), or name a broker of your own in kafka.brokers"
        )
    tell(f"fetching Apache Kafka's jars (43 MB, once) into {place}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent, prefix="fetching-") as folder:
            _fetch(maven, Path(folder))
            _put(Path(folder) / "libs", place)
    except OSError as error:
        raise ProcessFailed(
            f"{place} can't hold Kafka's jars ({error.strerror}): set XDG_CACHE_HOME to a "
            "directory that can be written to"
        ) from error
    return place


def _put(fetched: Path, place: Path) -> None:
    try:
        fetched.rename(place)
    except OSError:
        if not place.is_dir():  # else another was faster
            raise


def _fetch(maven: str, folder: Path) -> None:
    shutil.copy(POM, folder / "pom.xml")
    goal = [maven, "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={folder}/libs"]
    try:
        done = subprocess.run(
            goal,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=_FETCH_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ProcessFailed(f"Maven did not fetch Kafka within {_FETCH_TIMEOUT_S} s") from error
    if done.returncode != 0 or not (folder / "libs").is_dir():
        last = " / ".join(done.stdout.strip().splitlines()[-3:])
        raise ProcessFailed(f"Maven could not fetch Kafka (code {done.returncode}): {last}")
