"""Commands to Redis and their replies: the one place where its errors become ours.

Commands are packed and replies read on a pooled connection of redis-py directly: its pipelines
convert the replies of MULTI before they can be checked, and retry writes that may have happened.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    ClusterDownError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.retry import Retry

from schemas.errors import StoreError, StoreUnavailable
from serving.store.scripts import Script

Command = tuple[str | bytes | int, ...]
_PASSING = (ClusterDownError, TryAgainError)
_REFUSING = (AuthenticationError, AuthorizationError)
_WITHIN_SCRIPT = re.compile(r"@user_script: ?\d+: -?([A-Z]+) ")  # how Redis 6 tells of its errors


class Wire:
    """A pool of connections to one Redis, safe to share between threads.

    Parameters
    ----------
    url
        ``redis://``, ``rediss://`` or ``unix://``; a password in it is never repeated in errors.
    timeout_s
        After which a connection that is silent counts as lost. Nothing is ever sent twice.
    """

    def __init__(self, url: str, *, timeout_s: float) -> None:
        self._pool = redis.Redis.from_url(
            url,
            protocol=2,
            retry=Retry(NoBackoff(), 0),
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
        ).connection_pool
        self.timeout_s = timeout_s
        self.address = address_of(self._pool.connection_kwargs)

    def call(self, *command: str | bytes | int) -> Any:
        """Return the reply to one command."""
        return self.pipeline([command])[0]

    def pipeline(self, commands: Sequence[Command]) -> list[Any]:
        """Return the reply to each command, all sent in one round trip.

        Raises
        ------
        StoreUnavailable
            Redis can't be reached, is silent for too long, or is still loading.
        StoreError
            A command was refused. The others were carried out all the same.
        """
        replies = self._exchange(commands)
        for reply in replies:
            if isinstance(reply, RedisError):
                raise self._refused(reply)
        return replies

    def evaluate(self, script: Script, calls: Sequence[Command]) -> list[Any]:
        """Return a script's reply to each call, all sent in one round trip.

        Parameters
        ----------
        calls
            The number of keys, the keys, the arguments.

        Raises
        ------
        StoreUnavailable, StoreError
            As in ``pipeline``.
        """
        replies = self._exchange([("EVALSHA", script.sha, *call) for call in calls])
        unknown = [n for n, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        again = self._exchange([("EVAL", script.text, *calls[n]) for n in unknown])
        for n, reply in zip(unknown, again, strict=True):
            replies[n] = reply
        for reply in replies:
            if isinstance(reply, RedisError):
                raise self._refused(reply)
        return replies

    def transact(self, groups: Sequence[Sequence[Command]]) -> list[list[Any]]:
        """Return the replies to each group's commands; each group is one MULTI/EXEC.

        Raises
        ------
        StoreUnavailable, StoreError
            As in ``pipeline``; where several things went wrong, the first that explains the rest.
        """
        commands: list[Command] = []
        for group in groups:
            commands += [("MULTI",), *group, ("EXEC",)]
        replies = iter(self._exchange(commands))
        results = []
        for group in groups:
            queued = [next(replies) for _ in range(len(group) + 1)]
            executed = next(replies)
            done = executed if isinstance(executed, list) else [executed]
            for reply in (*queued, *done):
                if isinstance(reply, RedisError):
                    raise self._refused(reply)
            if not isinstance(executed, list) or len(executed) != len(group):
                raise StoreError(f"Redis at {self.address} answered EXEC with {executed!r:.80}")
            results.append(executed)
        return results

    def _exchange(self, commands: Sequence[Command]) -> list[Any]:
        """Send commands and read every reply; errors of single commands are among the replies."""
        if not commands:
            return []
        try:
            connection: Any = self._pool.get_connection()
        except (RedisError, OSError) as error:
            raise translated(error, self.address) from error
        complete = False
        try:
            connection.send_packed_command(connection.pack_commands(commands))
            replies = [_reply(connection) for _ in commands]
            complete = True
            return replies
        except (RedisError, OSError) as error:
            raise translated(error, self.address) from error
        finally:
            if not complete:
                connection.disconnect()
            self._pool.release(connection)

    def _refused(self, error: RedisError) -> StoreError:
        told = translated(error, self.address)
        if isinstance(told, StoreUnavailable):
            # After a fail-over the address may be another server's: it is looked up again.
            self._pool.disconnect(inuse_connections=False)
        return told

    def close(self) -> None:
        """Close all connections."""
        self._pool.disconnect()


def _reply(connection: Any) -> Any:
    try:
        return connection.read_response()
    except ResponseError as error:
        return error


def translated(error: Exception, address: str) -> StoreError:
    """Return what an error of redis-py is to us."""
    words = f"Redis at {address}"
    within = _WITHIN_SCRIPT.search(str(error))
    code = within[1] if within else ""
    if isinstance(error, ReadOnlyError) or code == "READONLY":
        # What was the primary until a fail-over; its address is the new one's before long.
        return StoreUnavailable(
            f"{words} is a read-only replica: name the primary, unless a fail-over is under way "
            f"({error})"
        )
    if isinstance(error, OutOfMemoryError) or code == "OOM":
        return StoreError(f"{words} is full: raise its maxmemory ({error})")
    if isinstance(error, _REFUSING):
        return StoreError(f"{words} refuses the user or password of its URL ({error})")
    if isinstance(error, ResponseError) and not isinstance(error, _PASSING):
        return StoreError(f"{words} refused a command: {error}")
    return StoreUnavailable(f"{words} does not answer: {error}; is it running?")


def address_of(options: dict[str, Any]) -> str:
    """Return where a pool's connections go, without credentials."""
    if "path" in options:
        return str(options["path"])
    return f"{options.get('host', 'localhost')}:{options.get('port', 6379)}/{options.get('db', 0)}"
