"""``rillrec bench``: what a flow costs, and how fresh slates are, on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rillrec.options import AsJson, Columns, ConfigFile, columns_said, need_flow_extra

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from rillrec.bench.prepared import Keyed

bench = typer.Typer(
    name="bench",
    help="""Measure Rillrec on this machine.

Both benches start a Kafka broker and a Redis of their own on free ports, in a temporary directory
that is gone afterwards. The broker takes Java 17, and Maven to fetch it the first time.

\b
Examples:
  rillrec bench flow                          what does an event cost, step by step?
  rillrec bench freshness                     when does a slate show what was just clicked?
  rillrec bench flow --file clicks.csv.gz     the same with your own events""",
    no_args_is_help=True,
)

Users = Annotated[int, typer.Option(min=1, help="Users that events are spread over.")]
Items = Annotated[int, typer.Option(min=1, help="Items that events are spread over.")]
Seed = Annotated[int, typer.Option(min=0, help="The same seed generates the same events.")]
Partitions = Annotated[int, typer.Option(min=1, max=256, help="Partitions of the topic.")]
Workers = Annotated[int, typer.Option(min=1, max=64, help="Worker threads, of each measurement.")]


@bench.command("flow")
def flow(
    events: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="How many events [default: 200000, or all of the file].",
            show_default=False,
        ),
    ] = None,
    users: Users = 5_000,
    items: Items = 20_000,
    rate: Annotated[
        float,
        typer.Option(
            min=0,
            help="Send so many events a second while the full flow runs; 0 sends them all before.",
        ),
    ] = 0.0,
    seed: Seed = 0,
    partitions: Partitions = 8,
    workers: Workers = 1,
    file: Annotated[
        Path | None,
        typer.Option(
            "--file",
            metavar="FILE",
            help="Take the interactions of a file, as `rillrec replay` reads it.",
            show_default=False,
        ),
    ] = None,
    column: Columns = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Measure what a flow costs.

    The same topic is read three times, with the same number of workers, each time by a process of
    its own: raw (librdkafka's consume() and nothing else), with decoding into a null sink, and by
    the full flow, which keeps user states in Redis, learns, and publishes the model.

    Time runs from the arrival of a process's first event until it is done with the last one: for
    the full flow, until what was learnt from it is published. Imports, connecting and the learner's
    warm-up come before that. CPU is that of threads, by step: the encoder learns on one beside that
    of its step. Redis and the broker are told apart. Memory is the most that the full flow's
    process held. Bytes in Redis are MEMORY USAGE of the keys of users whose history holds exactly
    50 events.

    \b
    Examples:
      rillrec bench flow --json
      rillrec bench flow --events 1000000 --users 20000 --items 50000
      rillrec bench flow --workers 2 --rate 2000
      rillrec bench flow --file log.csv.gz --map user_id=who --map item_id=sku
    """
    need_flow_extra("bench flow")
    from rillrec.bench.flow_bench import FlowBench, Plan
    from rillrec.bench.tables import print_flow
    from rillrec.bench.testbed import testbed

    prepared, told = _prepared(events, users, items, seed, file, column)
    with testbed(config, partitions=partitions, tell=_tell) as bed:
        plan = Plan(workers=workers, rate=rate)
        report = FlowBench(bed, prepared, plan, tell=_tell).run()
    _print(report | told, print_flow, as_json=as_json)


def _prepared(
    events: int | None,
    users: int,
    items: int,
    seed: int,
    file: Path | None,
    column: list[str] | None,
) -> tuple[list[Keyed], dict[str, Any]]:
    """Return the events, and what the report says of them."""
    from rillrec.bench.prepared import from_file, from_generator
    from rillrec.bench.traffic import Traffic

    if file is not None:
        return from_file(file, mapping=columns_said(column), limit=events), {"file": file.name}
    if column:
        raise typer.BadParameter("there is no --file whose columns it names", param_hint="--map")
    traffic = Traffic(events=events or 200_000, users=users, items=items, seed=seed)
    return from_generator(traffic), {"users": users, "items": items, "seed": seed}


@bench.command("freshness")
def freshness(
    rate: Annotated[float, typer.Option(min=1, help="Events a second.")] = 1_000.0,
    seconds: Annotated[float, typer.Option(min=1, help="How long to measure.")] = 30.0,
    warm_up: Annotated[
        int, typer.Option(min=100, help="Events that are tracked and learnt before that.")
    ] = 20_000,
    users: Users = 5_000,
    items: Items = 20_000,
    seed: Seed = 0,
    partitions: Partitions = 8,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Measure how soon slates show what was tracked.

    Runs `rillrec flow` and `rillrec serve` as processes, and tracks events through gRPC at a steady
    rate, ten in a call. Beside them, probes ask for slates without `after`. Their clocks run from
    Track's reply to the first slate whose user state contains the event (every 1 ms, about
    10 events a second), that holds an item which nobody had clicked on before (every 20 ms, 2.5
    items a second), or that comes from a model trained on the event (every 20 ms, one event of each
    call). What takes long is asked for less often, by 2 % of the time it took so far. What does not
    come within 10 s counts as 10 s, and as a timeout.

    \b
    Examples:
      rillrec bench freshness --json
      rillrec bench freshness --rate 300 --seconds 60 --warm-up 100000
    """
    need_flow_extra("bench freshness")
    import asyncio

    from rillrec.bench.freshness import Plan, measure
    from rillrec.bench.proc import machine
    from rillrec.bench.tables import print_freshness
    from rillrec.bench.testbed import serving_on, testbed

    plan = Plan(users=users, items=items, seed=seed, warm_up=warm_up, rate=rate, seconds=seconds)
    with (
        testbed(config, partitions=partitions, tell=_tell) as bed,
        serving_on(bed, tell=_tell) as serving,
    ):
        report = asyncio.run(measure(serving.address, plan, tell=_tell, pids=serving.pids))
    told = {"users": users, "items": items, "seed": seed, "machine": machine()}
    _print(report | told, print_freshness, as_json=as_json)


def _print(
    report: dict[str, Any],
    print_table: Callable[[dict[str, Any], Console], None],
    *,
    as_json: bool,
) -> None:
    if as_json:
        import orjson

        typer.echo(orjson.dumps(report, option=orjson.OPT_INDENT_2))
        return
    from rich.console import Console

    print_table(report, Console(highlight=False))


def _tell(line: str) -> None:
    typer.echo(line, err=True)
