"""``rillrec demo``: all of Rillrec, and simulated visitors whose tastes shift on cue."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rillrec.options import need_flow_extra

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from rillrec.client import Client
    from rillrec.crowd import Crowd
    from rillrec.local import Local
    from schemas.settings import Settings

SHIFT_EVERY_S = 30.0


def demo(
    once: Annotated[
        bool, typer.Option("--once", help="End after the slates; so it does without a terminal.")
    ] = False,
    seconds: Annotated[
        float | None,
        typer.Option(min=0, help="End so many seconds after the slates.", show_default=False),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the simulated visitors.")] = 0,
) -> None:
    """Watch it learn from simulated visitors.

    Starts Redis, the learner and the scorer in a temporary directory, has a crowd with planted
    tastes click through the public gRPC API, and shows one visitor's slate before clicks, after
    clicks, and after the tastes shift. On a terminal it goes on, live, until Ctrl-C.

    \b
    Examples:
      rillrec demo
      rillrec demo --once
      rillrec demo --seconds 60 --seed 7
    """
    need_flow_extra("demo")
    from rich.console import Console

    from rillrec.local import Local
    from rillrec.signals import orderly_end

    console = Console(highlight=False)
    with (
        orderly_end() as ending,
        tempfile.TemporaryDirectory(prefix="rillrec-demo-") as folder,
    ):
        settings = _settings(Path(folder))
        begin_s = time.monotonic()
        with Local(settings, tell=console.print, check=ending.check) as local:
            local.wait_until_ready()
            console.print(
                f"Redis, the flow and the scorer ({local.address}) are ready after "
                f"{time.monotonic() - begin_s:.1f} s"
            )
            goes_on = not once and (seconds is not None or sys.stdout.isatty())
            _run(local, console, seed=seed, seconds=seconds if goes_on else 0.0, begin_s=begin_s)


def _settings(folder: Path) -> Settings:
    """Return the demo's own settings: no file or variable of the user's touches it."""
    from schemas.settings import ModelSettings, Settings, StoreSettings

    return Settings(store=StoreSettings(data_dir=folder), model=ModelSettings(name="demo"))


def _run(
    local: Local, console: Console, *, seed: int, seconds: float | None, begin_s: float
) -> None:
    from rillrec.client import Client
    from rillrec.crowd import Crowd
    from rillrec.showcase import CLICKS_TO_SHIFT, Showcase
    from rillrec.simulation import Simulation

    with Client(local.address) as client:
        crowd = Crowd(Simulation(seed=seed), client)
        showcase = Showcase(client, crowd, show=console.print)
        showcase.warm_up()
        showcase.show_stranger()
        showcase.show_clicks("chess")
        crowd.shift()
        console.print("\n[bold]tastes shift[/], those of the crowd and hers")
        showcase.show_clicks("sailing", CLICKS_TO_SHIFT)
        console.print(f"\nall that took {time.monotonic() - begin_s:.1f} s from the start")
        if seconds is None or seconds > 0:
            _live(local, client, crowd, console, seconds=seconds)


def _live(
    local: Local, client: Client, crowd: Crowd, console: Console, *, seconds: float | None
) -> None:
    """Show the crowd's standing as it changes, until Ctrl-C or for so many seconds."""
    from rich.live import Live

    until_s = float("inf") if seconds is None else time.monotonic() + seconds
    shift_s = time.monotonic() + SHIFT_EVERY_S
    crowd.start()
    try:
        with Live(console=console, refresh_per_second=4) as live:
            while time.monotonic() < until_s:
                local.watch()
                if time.monotonic() > shift_s:
                    crowd.shift()
                    shift_s += SHIFT_EVERY_S
                live.update(_table(client, crowd, next_shift_s=shift_s - time.monotonic()))
                time.sleep(0.5)
    finally:
        crowd.stop()


def _table(client: Client, crowd: Crowd, *, next_shift_s: float) -> Table:
    from rich.table import Table

    from schemas.errors import CallFailed

    standing = crowd.standing()
    table = Table(title="the crowd, live (Ctrl-C ends it)", show_header=False)
    table.add_row("clicks tracked", f"{standing.clicks:,}")
    try:
        info = client.model_info()
        table.add_row("learnt from", f"{info.trained_events:,}")
        table.add_row("model version", f"{info.version:,}, {info.age_s:.1f} s old")
    except CallFailed as error:
        table.add_row("model", str(error))
    table.add_row("next click was on the slate of 10", f"{standing.hit_rate:.0%}")
    table.add_row(
        "click to fresh slate",
        f"median {standing.freshness_ms:.0f} ms, p99 {standing.slowest_ms:.0f} ms",
    )
    table.add_row(
        "tastes", f"shifted {crowd.simulation.shifts} times, next in {next_shift_s:.0f} s"
    )
    return table
