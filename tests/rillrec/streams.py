"""Files of events to try the command line on."""

from __future__ import annotations

import gzip
import json
from itertools import islice
from pathlib import Path

from rillrec.simulation import Click, Simulation

BEGIN_S = 1_700_000_000


def planted_clicks(count: int) -> list[Click]:
    """Return clicks of visitors whose next click follows from their last ones."""
    return list(islice(Simulation(visitors=20, seed=3).clicks(), count))


def write_csv(path: Path, count: int = 200, *, header: str = "ts,user,item") -> Path:
    """Write planted clicks as CSV, gzipped where the name says so."""
    rows = [header]
    rows += [
        f"{BEGIN_S + 7 * n},{click.user_id},{click.item_id}"
        for n, click in enumerate(planted_clicks(count))
    ]
    text = "\n".join(rows).encode() + b"\n"
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def write_json_lines(path: Path, count: int = 200) -> Path:
    """Write the same clicks as JSON lines, with the contract's own names."""
    lines = [
        json.dumps(
            {
                "event_id": f"e{n}",
                "user_id": click.user_id,
                "item_id": click.item_id,
                "kind": "click",
                "time_ms": (BEGIN_S + 7 * n) * 1_000,
            }
        )
        for n, click in enumerate(planted_clicks(count))
    ]
    path.write_text("\n".join(lines) + "\n")
    return path
