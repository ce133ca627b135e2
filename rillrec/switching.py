"""Having a name stand for another model."""

from __future__ import annotations

from contextlib import closing

from rillrec.backfill_plan import Plans
from rillrec.stores import store_at
from schemas.errors import StoreError
from schemas.settings import Settings
from serving.store.alias import Alias
from serving.store.wire import Wire


def switch(settings: Settings, url: str, wire: Wire, model: str) -> str:
    """Have the settings' name stand for a model; return for which it stood before.

    Flow and scorers notice within about a second. The flow goes on where that model stands.

    Parameters
    ----------
    wire
        The Redis that holds the models, at ``url``.

    Raises
    ------
    StoreError
        There is no such model, or it is still being built.
    """
    alias = Alias(wire, settings.model.name)
    former = alias.serves()
    if former == model:
        return former
    with closing(store_at(url, settings, model=model)) as store:
        if not store.version():
            raise StoreError(
                f"there is no model {model!r}: `rillrec backfill --into {model}` builds it, or "
                "`rillrec replay FILE --into` from a file"
            )
        owner = store.lease_owner()
        if owner is not None:
            raise StoreError(
                f"{owner} learns {model!r} at present: end that first, a backfill by waiting for it"
            )
        with closing(store_at(url, settings, model=former)) as served:
            store.adopt_erasures(served)
    alias.move(model)
    Plans(wire, model).note_served()
    return former


def former_of(settings: Settings, wire: Wire) -> str:
    """Return the model that the settings' name stood for before it was switched.

    Raises
    ------
    StoreError
        It never was.
    """
    former = Alias(wire, settings.model.name).served()
    if former is None:
        raise StoreError(
            f"{settings.model.name!r} was never switched to another model: there is no way back"
        )
    return former


def told(name: str, model: str, former: str) -> str:
    """Return in words what a name stands for now."""
    if model == former:
        return f"{name!r} stands for {model!r} already"
    return (
        f"{name!r} stands for {model!r} now; `rillrec switch --back --model {name}` returns to "
        f"{former!r}"
    )
