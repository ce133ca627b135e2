"""``rillrec topics``: the topics that events travel through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from rillrec.options import AsJson, Brokers, ConfigFile, ModelName, need_kafka_extra, settings_of

if TYPE_CHECKING:
    from rillrec.topic_states import Topic
    from rillrec.topics import Plan

topics = typer.Typer(
    name="topics",
    help="""Create and list the topics that events travel through.

What is in which topic tells what it is; their names are set in [kafka] of rillrec.toml.

\b
  interactions   what users did; keyed by user
  impressions    what users were shown; keyed by user
  items          the catalogue; keyed by item, compacted
  forget         wishes to be forgotten; keyed by user, kept for ever
  dead-letters   events that were refused: their bytes; in headers why, and whence
  incidents      what went wrong in a flow, and what it did about it""",
    no_args_is_help=True,
)


@topics.command("create")
def create(
    brokers: Brokers = None,
    partitions: Annotated[
        int,
        typer.Option(
            min=1,
            max=10_000,
            help="Of each topic: at most so many workers read at once. A few times what you need "
            "today, as more of them later move users.",
        ),
    ] = 8,
    replication: Annotated[
        int, typer.Option(min=1, max=100, help="Copies of each partition; 3 outlive a broker.")
    ] = 1,
    retention_days: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            max=36_500,
            help="Days that events, dead letters and incidents are kept [default: the broker's, "
            "mostly 7]. The catalogue and wishes to be forgotten are kept for ever.",
            show_default=False,
        ),
    ] = None,
    config: ConfigFile = None,
) -> None:
    """Create the topics that are missing.

    Those that are there stay as they are: it tells where they differ from what they should be.

    \b
    Examples:
      rillrec topics create --brokers localhost:9092
      rillrec topics create --brokers kafka:9092 --partitions 32 --replication 3 --retention-days 30
    """
    need_kafka_extra("topics create")
    kafka = settings_of(config, kafka={"brokers": brokers}).kafka
    from rillrec.kafka_client import Admin
    from rillrec.topics import create as create_them
    from rillrec.topics import plans

    wanted = plans(kafka, partitions=partitions, retention_days=retention_days)
    for made in create_them(Admin(kafka), wanted, replication=replication):
        said = "created" if made.is_new else "exists"
        parts = f"{made.partitions} partition{'s' if made.partitions > 1 else ''}"
        typer.echo(f"{said:<8} {made.name:<20} {parts:<14} {made.holds}")
        for warning in made.warnings:
            typer.secho(f"  warning: {made.name}: {warning}", fg="yellow", err=True)


@topics.command("list")
def list_topics(
    brokers: Brokers = None,
    model: ModelName = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """List the topics: partitions, offsets, and how far the model's flow is behind.

    Offsets are summed over the partitions; --json has them one by one. The lag is what the flow has
    not learnt yet by the offsets that it commits, as other tools see it too.

    \b
    Examples:
      rillrec topics list --brokers localhost:9092
      rillrec topics list --model shop --json | jq '.topics[] | {name, lag}'
    """
    need_kafka_extra("topics list")
    settings = settings_of(config, model=model, kafka={"brokers": brokers})
    from rillrec.kafka_client import Admin
    from rillrec.topic_states import describe
    from rillrec.topics import plans

    wanted = plans(settings.kafka)
    group = settings.kafka.group_of(settings.model.name)
    found = describe(Admin(settings.kafka), [plan.name for plan in wanted], group=group)
    if as_json:
        import orjson

        shown = [_as_json(plan, found.get(plan.name)) for plan in wanted]
        told = {"brokers": settings.kafka.brokers, "group": group, "topics": shown}
        typer.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2))
    else:
        _print(wanted, found, group)


def _as_json(plan: Plan, topic: Topic | None) -> dict[str, Any]:
    named = {"name": plan.name, "holds": plan.holds, "exists": topic is not None}
    if topic is None:
        return named
    import msgspec

    partitions = [
        {**msgspec.structs.asdict(one), "lag": one.lag if plan.is_read else None}
        for one in topic.partitions
    ]
    lag = topic.lag if plan.is_read else None
    return {**named, "config": topic.config, "lag": lag, "partitions": partitions}


def _print(wanted: list[Plan], found: dict[str, Topic], group: str) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("topic", "partitions", "policy", "kept", "first", "next", f"lag of {group}"):
        table.add_column(name, justify="left" if name in ("topic", "policy", "kept") else "right")
    for plan in wanted:
        table.add_row(*_row(plan, found.get(plan.name)))
    Console(highlight=False, width=120).print(table)
    if missing := [plan.name for plan in wanted if plan.name not in found]:
        typer.echo(f"missing: {', '.join(missing)}; `rillrec topics create` makes them", err=True)


def _row(plan: Plan, topic: Topic | None) -> list[str]:
    if topic is None:
        return [plan.name, "missing"]
    low, high = (sum(getattr(p, end) for p in topic.partitions) for end in ("low", "high"))
    lag = "" if not plan.is_read else "not committed" if topic.lag is None else f"{topic.lag:,}"
    policy = topic.config["cleanup.policy"]
    kept = _span(int(topic.config["retention.ms"])) if "delete" in policy else "newest of a key"
    return [plan.name, f"{len(topic.partitions)}", policy, kept, f"{low:,}", f"{high:,}", lag]


def _span(milliseconds: int) -> str:
    return "for ever" if milliseconds < 0 else f"{milliseconds / 86_400_000:g} days"
