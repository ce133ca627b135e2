"""Apache Kafka's own jars, fetched once by Maven into a cache."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from schemas.errors import ProcessFailed

_FETCH_TIMEOUT_S = 600


def pom() -> Path:
    """Return the list of what a broker needs: of the checkout, or installed beside the package."""
    places = (
        Path(__file__).parents[1] / "deploy" / "kafka" / "pom.xml",
        Path(sys.prefix) / "share" / "rillrec" / "kafka" / "pom.xml",
    )
    for place in places:
        if place.is_file():
            return place
    raise ProcessFailed(
        f"the list of Kafka's jars is neither at {places[0]} nor at {places[1]}: install Rillrec "
        "again, or name a broker of your own in kafka.brokers"
    )


def cache() -> Path:
    """Return where jars are kept; ``XDG_CACHE_HOME`` moves it, as it does for other programs."""
    home = os.environ.get("XDG_CACHE_HOME")
    base = Path(home) if home else Path.home() / ".cache"
    version = re.search(
        r"<artifactId>kafka_2.13</artifactId>\s*<version>([^<]+)<", pom().read_text()
    )
    if version is None:
        raise ProcessFailed(f"{pom()} names no version of kafka_2.13")
    return base / "rillrec" / f"kafka-{version[1]}"


def java() -> str | None:
    """Return the ``java`` of this machine, if there is one."""
    return shutil.which("java")


def can_fetch() -> bool:
    """Return whether jars are there, or there is what fetches them."""
    return java() is not None and (cache().is_dir() or shutil.which("mvn") is not None)


def jars(tell: Callable[[str], None] = lambda _line: None) -> Path:
    """Return the directory of the jars, fetched now if they are not there yet.

    They are put into place whole, by one rename: two that fetch at once do not harm each other.

    Raises
    ------
    ProcessFailed
        Maven is not installed, or fails.
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
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix="fetching-") as folder:
        _fetch(maven, Path(folder))
        try:
            (Path(folder) / "libs").rename(place)
        except OSError:
            if not place.is_dir():  # else another was faster
                raise
    return place


def _fetch(maven: str, folder: Path) -> None:
    shutil.copy(pom(), folder / "pom.xml")
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
