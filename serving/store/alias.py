"""A name that stands for a model, which may be another one tomorrow."""

from __future__ import annotations

from schemas.keys import Keys
from serving.store.wire import Wire


class Alias:
    """Which model a name stands for: its own, until it is moved to another.

    Flows and scorers of the name look at it about once a second, and go over to what it says.

    Parameters
    ----------
    wire
        The Redis that holds the models. It is not closed with this.
    name
        The name that flows and scorers are given (``model.name``).
    """

    def __init__(self, wire: Wire, name: str) -> None:
        self._wire, self._keys = wire, Keys(name)
        self.name = name

    @property
    def address(self) -> str:
        """Where Redis is, without credentials."""
        return self._wire.address

    def serves(self) -> str:
        """Return the name of the model that the name stands for.

        Raises
        ------
        StoreUnavailable, StoreError
            As the store does.
        """
        raw: bytes | None = self._wire.call("GET", self._keys.serves)
        return self.name if raw is None else raw.decode()

    def served(self) -> str | None:
        """Return the model that it stood for before it was moved, ``None`` if it never was."""
        raw: bytes | None = self._wire.call("GET", self._keys.served)
        return None if raw is None else raw.decode()

    def models(self) -> set[str]:
        """Return the models that it stands or stood for, and those that are built for it."""
        raw: list[bytes] = self._wire.call("SMEMBERS", self._keys.models)
        return {self.serves(), *(name.decode() for name in raw)}

    def add(self, model: str) -> None:
        """Note that a model is built for the name: who is forgotten is forgotten there too."""
        self._wire.call("SADD", self._keys.models, model)

    def move(self, model: str) -> str:
        """Have the name stand for a model from now on; return for which it stood before.

        Raises
        ------
        ValueError
            No model can have that name.
        """
        Keys(model)
        former = self.serves()
        if former != model:
            keys = self._keys
            self._wire.transact(
                [
                    [
                        ("SET", keys.serves, model),
                        ("SET", keys.served, former),
                        ("SADD", keys.models, former, model),
                    ]
                ]
            )
        return former
