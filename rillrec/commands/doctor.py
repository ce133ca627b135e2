"""``rillrec doctor``: is everything as it should be, and what to do if not?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from rillrec.exits import FOUND
from rillrec.options import AsJson, Brokers, ConfigFile, DataDir, ModelName, settings_of

if TYPE_CHECKING:
    from rillrec.checkup import Finding
    from schemas.settings import Settings

COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


def doctor(
    config: ConfigFile = None,
    data_dir: DataDir = None,
    model: ModelName = None,
    brokers: Brokers = None,
    as_json: AsJson = False,
) -> None:
    """Check that all is well, and say what to do if not.

    Looks at settings, Redis, the model, the event log or Kafka, the flow and the scorer. Exits with
    1 where something fails; what is only worth knowing (warn) does not count.

    \b
    Examples:
      rillrec doctor
      rillrec doctor --config rillrec.toml --model shop
      rillrec doctor --brokers localhost:9092
      rillrec doctor --json | jq '.findings[] | select(.status != "ok")'
    """
    settings = settings_of(config, data_dir=data_dir, model=model, kafka={"brokers": brokers})
    found = list(_look(settings))
    if as_json:
        import msgspec

        fails = any(finding.status == "fail" for finding in found)
        typer.echo(msgspec.json.encode({"healthy": not fails, "findings": found}))
    else:
        for finding in found:
            _print(finding)
    if any(finding.status == "fail" for finding in found):
        raise typer.Exit(FOUND)


def _look(settings: Settings) -> Iterator[Finding]:
    from rillrec import checkup
    from rillrec.checkup import Finding
    from rillrec.stores import redis_of, store_at
    from schemas.errors import StoreError

    yield Finding("settings", "ok", f"read; the model is {settings.model.name!r}")
    yield checkup.check_extra()
    try:
        with redis_of(settings) as url:
            server = list(checkup.check_redis(url))
            yield from server
            if server[0].status == "ok":
                store = store_at(url, settings)
                yield checkup.check_model(store)
                if not settings.kafka.brokers:
                    yield checkup.check_backlog(store)
                yield checkup.check_dead_letters(store)
                yield checkup.check_flow(store)
                store.close()
    except StoreError as error:
        yield Finding("redis", "fail", str(error), "see what the message names")
    if settings.kafka.brokers:
        from rillrec.checkup_kafka import check_kafka

        yield from check_kafka(settings)
    yield checkup.check_scorer(settings)


def _print(finding: Finding) -> None:
    status = typer.style(f"{finding.status:<4}", fg=COLOURS[finding.status], bold=True)
    typer.echo(f"{status}  {finding.name:<17} {finding.detail}")
    if finding.remedy:
        typer.echo(f"{'':<24}→ {finding.remedy}")
