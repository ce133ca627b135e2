"""Refused events in a file, one JSON object a line, for people to look at and to send again."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol

import msgspec

from schemas.errors import SourceError
from serving.store import DeadLetter


class DeadLetters(Protocol):
    """Where refused events are written to, beside the store: a file, or a topic of Kafka."""

    def write(self, letters: Sequence[DeadLetter]) -> None:
        """Write letters, and return only when all of them will outlive this process."""
        ...


class DeadLetterFile:
    """A file that dead letters are appended to.

    Each line has ``topic``, ``partition``, ``offset``, ``event_type``, ``reason``, ``message`` and
    the original bytes: as ``text`` where they are UTF-8, in ``base64`` where they are not.

    A crash between writing here and storing the batch repeats the batch's lines; ``topic``,
    ``partition`` and ``offset`` tell them apart. The store's own dead letters are never repeated.

    Raises
    ------
    SourceError
        The file can't be opened for writing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = path.open("ab")
        except OSError as error:
            raise SourceError(
                f"dead letters can't be written to {path}: {error.strerror}; name another file"
            ) from error

    def write(self, letters: Sequence[DeadLetter]) -> None:
        """Append letters, and have the system hold them before this returns."""
        if not letters:
            return
        self._file.write(b"".join([line_of(letter) for letter in letters]))
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> DeadLetterFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def line_of(letter: DeadLetter) -> bytes:
    """Return a dead letter as a line of JSON."""
    fields = msgspec.structs.asdict(letter)
    payload = fields.pop("payload")
    del fields["user_id"]  # the payload tells
    try:
        fields["text"] = payload.decode()
    except UnicodeDecodeError:
        fields["base64"] = base64.b64encode(payload).decode()
    return msgspec.json.encode(fields) + b"\n"
