"""Simulated visitors with planted tastes, which shift on cue."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from msgspec import Struct

from schemas.events import Interaction, ItemUpdate

TASTES = {
    "jazz": "Blue Hour,Night Train,Slow Brushes,Harlem Walk,Smoke & Brass,Late Set,Ballad for Two,"
    "Bebop Alley,Cool Water,Round Corner,Velvet Horn,Last Chorus",
    "gardening": "Tulip Bulbs,Oak Trowel,Rain Barrel,Bean Poles,Herb Ladder,Rose Shears,"
    "Compost Caddy,Seed Tray,Moss Killer,Fern Pot,Apple Press,Bee Hotel",
    "cycling": "Wool Jersey,Brass Bell,Chain Whip,Gravel Tyre,Leather Saddle,Dynamo Light,"
    "Pannier Bag,Track Pump,Cork Tape,Steel Fork,Rain Cape,Toe Straps",
    "baking": "Rye Starter,Dough Scraper,Proofing Basket,Cake Ring,Bread Knife,Piping Set,"
    "Malt Flour,Pizza Stone,Rolling Pin,Muffin Tin,Oven Peel,Sugar Sieve",
    "chess": "Walnut Board,Club Clock,Endgame Primer,Staunton Set,Opening Atlas,Travel Set,"
    "Score Book,Tactics Deck,King's Gambit,Felt Bases,Blindfold Lessons,Study Lamp",
    "sailing": "Bowline Rope,Deck Shoes,Tide Tables,Brass Compass,Signal Flags,Oilskin Hat,"
    "Chart Plotter,Winch Handle,Anchor Buoy,Logbook,Sheet Block,Sun Visor",
}
PATIENCE = 4  # clicks that a visitor makes in a row, on average
LOYALTY = 0.9  # share of clicks within the visitor's own taste


class Item(Struct, frozen=True):
    """An item of the simulated catalogue."""

    item_id: str
    title: str
    taste: str


class Click(Struct, frozen=True):
    """A visitor's next click, before it has a time."""

    user_id: str
    item_id: str


class Simulation:
    """A crowd of visitors, each of whom likes one cluster of items.

    A visitor clicks within one taste, mostly, walking to neighbouring items in the cluster's own
    order, so that there is something to learn about what follows what. When tastes shift, every
    visitor's taste becomes the next one in the list.

    Parameters
    ----------
    visitors
        How many of them.
    seed
        Everything follows from it.

    Examples
    --------
    >>> crowd = Simulation(visitors=3, seed=0)
    >>> clicks = crowd.clicks()
    >>> crowd.taste_of(next(clicks).item_id) in TASTES
    True
    """

    def __init__(self, *, visitors: int = 300, seed: int = 0) -> None:
        if visitors < 1:
            raise ValueError(f"visitors is {visitors}, it must be at least 1")
        self._random = Random(seed)
        self.items = [
            Item(f"{taste}-{number:02d}", title, taste)
            for taste, titles in TASTES.items()
            for number, title in enumerate(titles.split(","), 1)
        ]
        self._of_taste = {
            taste: [item for item in self.items if item.taste == taste] for taste in TASTES
        }
        self._item = {item.item_id: item for item in self.items}
        tastes = list(TASTES)
        self._visitors = [
            (f"visitor-{number:03d}", tastes[number % len(tastes)]) for number in range(visitors)
        ]
        self._places: dict[str, int] = {}
        self.shifts = 0

    def taste_of(self, item_id: str) -> str:
        """Return the taste that an item belongs to, ``""`` for a stranger."""
        item = self._item.get(item_id)
        return item.taste if item else ""

    def items_of(self, taste: str) -> list[Item]:
        """Return a taste's items in the order in which visitors walk them."""
        return list(self._of_taste[taste])

    def likes(self, user_id: str) -> str:
        """Return what a visitor likes at present."""
        tastes = list(TASTES)
        first = dict(self._visitors)[user_id]
        return tastes[(tastes.index(first) + self.shifts) % len(tastes)]

    def shift(self) -> None:
        """Have every visitor like something else from now on."""
        self.shifts += 1
        self._places.clear()

    def clicks(self) -> Iterator[Click]:
        """Yield clicks without end: visitors come in turn, and make a few clicks each."""
        while True:
            user_id, _ = self._random.choice(self._visitors)
            for _ in range(1 + int(self._random.expovariate(1 / PATIENCE))):
                yield Click(user_id, self._next_item(user_id).item_id)

    def _next_item(self, user_id: str) -> Item:
        if self._random.random() > LOYALTY:
            return self._random.choice(self.items)
        shelf = self._of_taste[self.likes(user_id)]
        here = self._places.get(user_id, self._random.randrange(len(shelf)))
        there = (here + self._random.choice((1, 1, 1, 2, 3))) % len(shelf)
        self._places[user_id] = there
        return shelf[there]


def catalogue_updates(simulation: Simulation) -> list[ItemUpdate]:
    """Return what the catalogue says about every item: its title and category."""
    return [
        ItemUpdate(item_id=item.item_id, title=f"{item.title} ({item.taste})",
                   categories=(item.taste,))
        for item in simulation.items
    ]  # fmt: skip


def event_of(click: Click, *, number: int, time_ms: int) -> Interaction:
    """Return a click as an event."""
    return Interaction(
        event_id=f"sim-{number}",
        user_id=click.user_id,
        item_id=click.item_id,
        kind="click",
        time_ms=time_ms,
    )
