"""Where a flow's workers run: threads of this process, or of several that find each other."""

from __future__ import annotations

from argparse import ArgumentError, ArgumentParser
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from schemas.errors import SettingsError


class Cluster(Struct, frozen=True, kw_only=True):
    """One process of a flow, and where the others are.

    Parameters
    ----------
    workers
        Threads of each process that read, decode and keep users. One of all learns.
    process
        Which of the addresses is this process's own.
    addresses
        ``host:port`` of every process, in the same order everywhere; none where there is but one.
    """

    workers: int = 1
    process: int = 0
    addresses: tuple[str, ...] = ()

    @property
    def is_split(self) -> bool:
        """Whether there are other processes, all of which end when one does."""
        return len(self.addresses) > 1

    @property
    def leads(self) -> bool:
        """Whether this is the process that holds the model's lease."""
        return self.process == 0


ALONE = Cluster()


def cluster_of(
    environ: Mapping[str, str],
    *,
    workers: int | None = None,
    process: int | None = None,
    addresses: str | None = None,
    hostfile: Path | None = None,
) -> Cluster:
    """Return the cluster that options describe, over the variables that Bytewax itself reads.

    Those are ``BYTEWAX_WORKERS_PER_PROCESS``, ``BYTEWAX_PROCESS_ID`` (or ``BYTEWAX_POD_NAME``
    behind ``BYTEWAX_STATEFULSET_NAME``), ``BYTEWAX_ADDRESSES`` and ``BYTEWAX_HOSTFILE_PATH``.

    Raises
    ------
    SettingsError
        They don't fit together.

    Examples
    --------
    >>> cluster_of({}, process=1, addresses="a:2101;b:2101")
    Cluster(workers=1, process=1, addresses=('a:2101', 'b:2101'))
    >>> pods = {"BYTEWAX_POD_NAME": "flow-1", "BYTEWAX_STATEFULSET_NAME": "flow"}
    >>> cluster_of(pods, addresses="a:2101;b:2101").process
    1
    """
    if workers is None:
        workers = _number(environ, "BYTEWAX_WORKERS_PER_PROCESS")
    if process is None:
        process = _process(environ)
    found = _addresses(environ, addresses, hostfile)
    workers = 1 if workers is None else workers
    cluster = Cluster(workers=workers, process=process or 0, addresses=found)
    if cluster.workers < 1:
        raise SettingsError(f"{cluster.workers} workers are too few, there must be at least 1")
    if process is not None and not found:
        raise SettingsError(
            f"process {process} does not know where the others are: say --addresses or --hostfile"
        )
    if len(found) > 1 and process is None:
        raise SettingsError(
            f"which of the {len(found)} addresses is this process's? Say --process-id, from 0 on"
        )
    if found and not 0 <= cluster.process < len(found):
        raise SettingsError(
            f"process {process} is none of the {len(found)} addresses, which are numbered from 0"
        )
    return cluster


def leads(argv: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Return whether this is the first process, or the only one, of the engine's own command.

    Examples
    --------
    >>> leads(["run.py", "flows.recommend", "-w", "2"], {})
    True
    >>> leads(["run.py", "flows.recommend", "-i", "1", "-a", "a:2101;b:2101"], {})
    False
    """
    parser = ArgumentParser(add_help=False, exit_on_error=False)
    parser.add_argument("-i", "--process-id", type=int)
    try:
        said: int | None = parser.parse_known_args(argv)[0].process_id
    except ArgumentError:  # the engine says what is wrong with it
        said = None
    return not (_process(environ) if said is None else said)


def _number(environ: Mapping[str, str], name: str) -> int | None:
    text = environ.get(name)
    if text is None:
        return None
    if not text.isdecimal():
        raise SettingsError(f"{name} is {text!r}, it must be a number")
    return int(text)


def _process(environ: Mapping[str, str]) -> int | None:
    number = _number(environ, "BYTEWAX_PROCESS_ID")
    pod, pods = environ.get("BYTEWAX_POD_NAME"), environ.get("BYTEWAX_STATEFULSET_NAME")
    if number is not None or pod is None or pods is None:
        return number
    ordinal = pod.removeprefix(f"{pods}-")
    if not ordinal.isdecimal():
        raise SettingsError(
            f"BYTEWAX_POD_NAME is {pod!r}, which is no pod of the stateful set {pods!r}"
        )
    return int(ordinal)


def _addresses(
    environ: Mapping[str, str], said: str | None, hostfile: Path | None
) -> tuple[str, ...]:
    if said is None and hostfile is None:
        said = environ.get("BYTEWAX_ADDRESSES")
        path = environ.get("BYTEWAX_HOSTFILE_PATH")
        hostfile = Path(path) if path else None
    if said is None and hostfile is not None:
        try:
            said = hostfile.read_text().replace("\n", ";")
        except OSError as error:
            raise SettingsError(f"hostfile {hostfile}: {error.strerror}") from error
    found = tuple(part.strip() for part in (said or "").split(";") if part.strip())
    for address in found:
        host, colon, port = address.rpartition(":")
        if not (host and colon and port.isdecimal()):
            raise SettingsError(f"address {address!r} is not of the form HOST:PORT")
    return found
