"""``rillrec forgotten``: who was forgotten, and when?"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from rillrec.options import AsJson, ConfigFile, DataDir, ModelName, settings_of

if TYPE_CHECKING:
    from schemas.settings import Settings
    from serving.store import Audited


def forgotten(
    user: Annotated[
        str | None,
        typer.Option(
            "--user", metavar="ID", help="Only whether this user was.", show_default=False
        ),
    ] = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    model: ModelName = None,
    as_json: AsJson = False,
) -> None:
    """List who was forgotten, and when.

    Users are told by hashes, which only this model's key in Redis can make: their ids are not kept.
    What happened until the time told stays forgotten, however often it is read again.

    \b
    Examples:
      rillrec forgotten
      rillrec forgotten --user ann
      rillrec forgotten --json | jq '.forgotten[].when'
    """
    audit = _audit(settings_of(config, data_dir=data_dir, model=model), user)
    if as_json:
        import msgspec

        typer.echo(msgspec.json.encode({"forgotten": [_told(one) for one in audit]}))
        return
    for one in audit:
        told = _told(one)
        typer.echo(
            f"{told['when']}  {told['who']}  what happened until {told['until']}, as "
            f"{told['topic']}/{told['partition']}@{told['offset']} wished"
        )
    if not audit:
        typer.echo("nobody was forgotten" if user is None else "this user was not forgotten")


def _audit(settings: Settings, user: str | None) -> list[Audited]:
    from rillrec.stores import alias_at, redis_of, store_at
    from schemas.forgetting import digest_of

    with redis_of(settings) as url:
        with alias_at(url, settings) as alias:
            store = store_at(url, settings, model=alias.serves())
        try:
            audit = sorted(store.erasures(), key=lambda one: one.when_ms)
            if user is None or not audit:
                return audit
            digest = digest_of(user, store.forget_key())
            return [one for one in audit if one.erasure.digest == digest]
        finally:
            store.close()


def _told(audited: Audited) -> dict[str, str | int]:
    erasure = audited.erasure
    return {
        "when": _iso(audited.when_ms),
        "who": erasure.digest.hex(),
        "until": _iso(erasure.until_ms),
        "topic": erasure.topic,
        "partition": erasure.partition,
        "offset": erasure.offset,
    }


def _iso(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1_000, UTC).isoformat(timespec="milliseconds")
