"""All figures of a run, as ``rillrec replay --json`` prints them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from online_models.evaluation.bootstrap import interval, resampled_means, two_sided_p
from online_models.evaluation.calibration import calibration
from online_models.evaluation.census import Census
from online_models.evaluation.lagging import NO_MODEL
from online_models.evaluation.predictions import Predictions
from online_models.evaluation.segments import (
    Mask,
    opening_segments,
    segment_figures,
    segments,
)
from online_models.evaluation.significance import mcnemar
from online_models.evaluation.slates import gini
from online_models.metrics import ranking_metrics, reciprocal_ranks

Ranks = npt.NDArray[np.int64]


class Reported:
    """The predictions of a run that are reported: those after the warm-up.

    Attributes
    ----------
    kept
        Which of all predictions they are.
    late
        Which of the kept ones fall into the last half of the events.
    """

    def __init__(self, predictions: Predictions, *, warm_up: float, events: int) -> None:
        self.all = predictions
        places = predictions.column("place")
        self.kept = places >= warm_up * events
        self.late = self.column("place") >= events / 2
        self.contenders = predictions.contenders

    def __len__(self) -> int:
        return int(np.count_nonzero(self.kept))

    def column(self, name: str) -> npt.NDArray[Any]:
        """Return a field of the kept predictions."""
        kept: npt.NDArray[Any] = self.all.column(name)[self.kept]
        return kept

    def others(self, lagging: Sequence[str]) -> dict[str, Ranks]:
        """Return the ranks of the contenders that do not lag, by name."""
        return {name: self.ranks(name) for name in self.contenders if name not in lagging}

    def ranks(self, contender: str) -> Ranks:
        """Return a contender's ranks in the kept predictions."""
        return self.all.ranks(contender)[self.kept]


def report_of(
    run: Reported,
    census: Census,
    *,
    openings: Reported,
    items: int,
    seed: int,
    lagging: Sequence[str] = (),
) -> dict[str, Any]:
    """Return all figures of a run.

    Parameters
    ----------
    openings
        The first predictions of sessions, told apart.
    items
        How many the model knows.
    seed
        Of the resamples.
    lagging
        The contenders that lag, told apart from the others.
    """
    ranks = run.column("rank")
    others = run.others(lagging)
    intervals, compared = comparison(run.column("unit"), ranks, others, seed=seed)
    exposures = _exposures(run)
    return {
        "scored": len(run),
        "metrics": ranking_metrics(ranks),
        "metrics_last_half": ranking_metrics(ranks[run.late]),
        "by_source": {name: ranking_metrics(theirs) for name, theirs in others.items()},
        "candidate_recall": round(_mean(run.column("candidate")), 4),
        "coverage": round(float(np.count_nonzero(exposures)) / max(1, items), 4),
        "intervals_95": intervals,
        "compared": compared,
        "segments": {
            **_segments(run, segments(run, census), lagging),
            **_segments(openings, opening_segments(openings), lagging),
        },
        "slates": _slates(run, exposures, items),
        "calibration": _calibration(run, ranks),
        **({"freshness": _freshness(run, ranks, lagging, seed)} if lagging else {}),
    }


def comparison(
    units: Ranks, ranks: Ranks, others: dict[str, Ranks], *, seed: int
) -> tuple[dict[str, list[float]], dict[str, Any]]:
    """Return how sure the figures are, and whether they beat those of others.

    Parameters
    ----------
    units
        The unit of each prediction: they are resampled whole.
    ranks, others
        The ranks of the same predictions by one method, and by each of the others.

    Returns
    -------
    intervals, compared
        The 95 % intervals of HR@20 and MRR@20; and for each other by how much it is beaten in
        both, with the interval of that, the p-value of McNemar's test for the hits and that of the
        paired bootstrap for the reciprocal ranks.
    """
    own = reciprocal_ranks(ranks, 20)
    columns = [(own > 0).astype(np.float64), own]
    for theirs in others.values():
        other = reciprocal_ranks(theirs, 20)
        columns += [(own > 0).astype(np.float64) - (other > 0), own - other]
    values = np.stack(columns, axis=1)
    means, draws = values.sum(axis=0) / max(1, len(own)), resampled_means(units, values, seed=seed)
    intervals = {"hr@20": _interval(draws[:, 0]), "mrr@20": _interval(draws[:, 1])}
    compared = {}
    for n, (name, theirs) in enumerate(others.items(), start=1):
        hits, gains = draws[:, 2 * n], draws[:, 2 * n + 1]
        compared[name] = {
            "hr@20_gain": round(float(means[2 * n]), 4),
            "hr@20_gain_95": _interval(hits),
            "mcnemar_p": mcnemar(own > 0, reciprocal_ranks(theirs, 20) > 0),
            "mrr@20_gain": round(float(means[2 * n + 1]), 4),
            "mrr@20_gain_95": _interval(gains),
            "bootstrap_p": two_sided_p(gains),
        }
    return intervals, compared


def _segments(run: Reported, masks: dict[str, Mask], lagging: Sequence[str]) -> dict[str, Any]:
    figures, ranks, others = {}, run.column("rank"), run.others(lagging)
    for name, mask in masks.items():
        by_source = {other: segment_figures(theirs[mask]) for other, theirs in others.items()}
        figures[name] = {**segment_figures(ranks[mask]), "by_source": by_source}
    return figures


def _freshness(run: Reported, ranks: Ranks, lagging: Sequence[str], seed: int) -> dict[str, Any]:
    """Return what models that lag do on the predictions that all of them had a model for."""
    theirs = {name: run.ranks(name) for name in lagging}
    all_had = np.logical_and.reduce([by != NO_MODEL for by in theirs.values()])
    own, theirs = ranks[all_had], {name: by[all_had] for name, by in theirs.items()}
    _, compared = comparison(run.column("unit")[all_had], own, theirs, seed=seed)
    return {
        "scored": len(own),
        "metrics": ranking_metrics(own),
        "lagging": {name: ranking_metrics(by) for name, by in theirs.items()},
        "compared": compared,
    }


def _slates(run: Reported, exposures: Ranks, items: int) -> dict[str, Any]:
    """Return what the slates were like; categories are ``None`` where the catalogue has none."""
    never = max(0, items - len(exposures))
    categories = run.column("category_diversity")
    told = not np.isnan(categories).all()
    return {
        "diversity": round(_mean(run.column("diversity")), 4),
        "category_diversity": round(_mean(categories), 4) if told else None,
        "novelty_bits": round(_mean(run.column("novelty_bits")), 4),
        "exposure_gini": round(gini(np.concatenate([exposures, np.zeros(never, np.int64)])), 4),
    }


def _calibration(run: Reported, ranks: Ranks) -> dict[str, Any]:
    first, slate = run.column("confidence"), run.column("slate_confidence")
    found, recall = run.column("candidate"), run.column("recall")
    return {
        "first": calibration(first * recall, ranks == 1),
        "first_where_candidate": {"ece": calibration(first[found], ranks[found] == 1)["ece"]},
        "slate": calibration(slate * recall, ranks > 0),
    }


def _exposures(run: Reported) -> Ranks:
    """Return how often each item that was shown at all was shown."""
    counts = np.bincount(run.all.shown(run.kept))
    return counts[counts > 0]


def _interval(draws: npt.NDArray[np.float64]) -> list[float]:
    return [round(bound, 4) for bound in interval(draws)]


def _mean(values: npt.NDArray[Any]) -> float:
    """Return the mean of what is not NaN, 0 without any."""
    known = values[~np.isnan(values.astype(np.float64))]
    return float(known.mean()) if len(known) else 0.0
