"""What the demo shows: one visitor's slate, before and after clicks, and as tastes shift."""

from __future__ import annotations

import time
from collections.abc import Callable

from rillrec.client import Client, Slate
from rillrec.crowd import UNCAPPED, Crowd, fresh_slate
from schemas.events import Interaction

VISITOR = "ann"
SLATE_LENGTH = 8
CLICKS = 2
CLICKS_TO_SHIFT = 4
"""More than before: what she liked until now counts on in the same session."""
WARM_UP_CLICKS = 5_000
Print = Callable[[str], None]


class Showcase:
    """Follows one visitor, live, through the public API.

    Parameters
    ----------
    show
        Prints a line; it may carry rich's markup.
    """

    def __init__(self, client: Client, crowd: Crowd, *, show: Print) -> None:
        self._client, self._crowd, self._show = client, crowd, show
        self._clicks = 0
        self._slate = Slate(())

    def warm_up(self) -> None:
        """Have the crowd click, and wait until that is learnt."""
        begin_s = time.monotonic()
        self._crowd.describe_catalogue()
        self._crowd.click_at_once(WARM_UP_CLICKS)
        while self._client.model_info().absorbed_events < WARM_UP_CLICKS:
            time.sleep(0.05)
        info = self._client.model_info()
        self._show(
            f"{WARM_UP_CLICKS:,} clicks of simulated visitors, tracked and learnt in "
            f"{time.monotonic() - begin_s:.1f} s: the model knows {info.items} items, "
            f"version {info.version}"
        )

    def show_stranger(self) -> None:
        """Show what somebody gets whom nobody knows."""
        self._slate = self._client.recommend(VISITOR, SLATE_LENGTH, rules=UNCAPPED)
        self._show(f"\n[bold]{VISITOR}, who has not clicked on anything yet[/], sees what trends:")
        self._show_items(self._slate, taste="")

    def show_clicks(self, taste: str, clicks: int = CLICKS) -> None:
        """Have the visitor click on items of a taste, and show what that changes."""
        shelf = self._crowd.simulation.items_of(taste)
        self._show(f"\n[bold]{VISITOR} clicks on {clicks} items of {taste}:[/]")
        before = self._slate
        for item in shelf[:clicks]:
            receipt = self._client.track([self._click(item.item_id)])[0]
            self._slate, ms = fresh_slate(
                self._client, VISITOR, after=receipt.position, k=SLATE_LENGTH
            )
            self._show(f"  click on {item.title!r}: the slate reflects it after {ms:.0f} ms")
        self._show_items(self._slate, taste=taste, before=before)

    def _click(self, item_id: str) -> Interaction:
        self._clicks += 1
        return Interaction(
            event_id=f"{VISITOR}-{self._clicks}",
            user_id=VISITOR,
            item_id=item_id,
            kind="click",
            time_ms=time.time_ns() // 1_000_000,
        )

    def _show_items(self, slate: Slate, *, taste: str, before: Slate | None = None) -> None:
        known = {item.item_id for item in before.items} if before else set()
        taste_of = self._crowd.simulation.taste_of
        for place, item in enumerate(slate.items, 1):
            new = before is not None and item.item_id not in known
            mark = "[green]+[/]" if new else " "
            title = item.title or item.item_id
            styled = f"[cyan]{title:<34}[/]" if taste_of(item.item_id) == taste else f"{title:<34}"
            self._show(f"  {mark} {place}. {styled} [dim]{', '.join(item.sources)}[/]")
        if before is not None:
            fresh = sum(item.item_id not in known for item in slate.items)
            of_taste = sum(taste_of(item.item_id) == taste for item in slate.items)
            self._show(
                f"  {fresh} of {len(slate.items)} are new (+), {of_taste} are of {taste}; "
                f"model version {slate.model_version}"
            )
