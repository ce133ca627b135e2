"""What the command line's exit codes mean."""

from __future__ import annotations

from schemas.errors import FlowOutdated, PeerLost, RillrecError, SettingsError, StoreRolledBack

OK = 0
FOUND = 1
USAGE = 2
SETTINGS = 3
UNAVAILABLE = 4
REBUILD = 75
INTERRUPTED = 130

MEANINGS = {
    OK: "it worked",
    FOUND: "it ran and found trouble: refused events (validate), a fault (doctor, diagnose)",
    USAGE: "the command line is wrong",
    SETTINGS: "a setting is unknown, mistyped or out of range",
    UNAVAILABLE: "what it needs is not there: a file, Redis, Kafka, a model, an extra",
    REBUILD: "one of several processes of a flow: start all of them again, together",
    INTERRUPTED: "stopped by Ctrl-C",
}


def code_of(error: RillrecError) -> int:
    """Return the exit code that an error ends the process with."""
    if isinstance(error, SettingsError):
        return SETTINGS
    if isinstance(error, StoreRolledBack | FlowOutdated | PeerLost):
        return REBUILD
    return UNAVAILABLE
