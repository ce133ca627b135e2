"""In what words a store refuses a write that does not follow what it holds."""

from __future__ import annotations

from schemas.errors import StoreError, StoreRolledBack
from schemas.positions import Marks

_REMEDY = "A flow that is started again goes on from what the store holds"


def shard_elsewhere(shard: str, stands_at: Marks, expected: Marks) -> StoreRolledBack:
    """Return the error of a shard that does not stand where a write continues it."""
    return StoreRolledBack(
        f"shard {shard} stands at {stands_at} and not at {expected}: the store lost writes, or "
        f"another flow writes to this model. {_REMEDY}"
    )


def log_elsewhere(version: int, newest: int) -> StoreError:
    """Return the error of a publish that does not follow the newest version of its log."""
    if version > newest + 1:
        return _log_lost(version - 1, newest)
    return StoreError(
        f"version {version} is not newer than {newest}, the log's newest: another flow publishes "
        "to this model; stop one of them"
    )


def base_elsewhere(version: int, newest: int) -> StoreError:
    """Return the error of a base that is not of the version that its log ends with."""
    if version > newest:
        return _log_lost(version, newest)
    return StoreError(
        f"a base of version {version} is none of the log that ends at {newest}: another flow "
        "publishes to this model; stop one of them"
    )


def base_lost(version: int) -> StoreRolledBack:
    """Return the error of a base of which not all parts are there."""
    return StoreRolledBack(
        f"parts of the base of version {version} are gone: the store lost writes, or another flow "
        f"publishes to this model. {_REMEDY}"
    )


def advances_nothing(shard: str, marks: Marks) -> ValueError:
    """Return the error of a write that could not be told from its own repetition."""
    return ValueError(f"the write to shard {shard} does not advance its marks, {marks}")


def other_key() -> StoreError:
    """Return the error of hashes that are of no use here."""
    return StoreError(
        "this model has forgotten users already, under a key of its own: take over the erasures of "
        "another into a new model"
    )


def _log_lost(expected: int, newest: int) -> StoreRolledBack:
    return StoreRolledBack(
        f"the model's log ends at version {newest} and not at {expected}: the store lost writes. "
        f"{_REMEDY}"
    )
