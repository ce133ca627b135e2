"""What a replay measures beside the recommender itself, as its options say it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import typer
from msgspec import Struct

from rillrec.intervals import interval_ms

if TYPE_CHECKING:
    from online_models.prequential import Evaluator

T = TypeVar("T")


class Measures(Struct, frozen=True, kw_only=True):
    """Whom to compare with, what to leave out, and by how much models are to lag."""

    compare: tuple[str, ...] = ()
    ablate: tuple[str, ...] = ()
    sync_ms: tuple[int, ...] = ()


def measures_said(
    compare: list[str] | None,
    ablate: list[str] | None,
    sync_interval: list[str] | None,
    *,
    unit: str,
    into: str | None,
    items: bool = False,
) -> Measures:
    """Return what ``--compare``, ``--ablate`` and ``--sync-interval`` said.

    Raises
    ------
    typer.BadParameter
        A name or an interval that does not exist, a model that is to be kept while others lag, the
        catalogue's part where there is no catalogue, or other sessions where the ``unit`` is the
        user.
    """
    from online_models.evaluation.ablation import check_ablated
    from online_models.evaluation.contenders import check_contenders

    names, left_out, texts = _listed(compare), _listed(ablate), _listed(sync_interval)
    _refuse(lambda: check_contenders(names), "--compare")
    _refuse(lambda: check_ablated(left_out, unit=unit), "--ablate")
    intervals = _refuse(lambda: [interval_ms(text) for text in texts], "--sync-interval")
    for said, option in ((left_out, "--ablate"), (texts, "--sync-interval")):
        if said and into:
            raise typer.BadParameter(
                "it measures, --into keeps a model: run replay once for each", param_hint=option
            )
    for said, option in ((names, "--compare"), (left_out, "--ablate")):
        if "content" in said and not items:
            raise typer.BadParameter(
                "content is what the catalogue tells: name its file with --items", param_hint=option
            )
    lags = tuple(ms for ms in dict.fromkeys(intervals) if ms)  # 0 is the recommender itself
    return Measures(compare=names, ablate=left_out, sync_ms=lags)


def ablation_figures(full: Evaluator, without: dict[str, Evaluator]) -> dict[str, Any]:
    """Return what is lost without each of what was left out, on the same predictions.

    Parameters
    ----------
    full, without
        The whole recommender's predictions, and those of the runs that lack something, by its name.
    """
    from online_models.evaluation.report import comparison
    from online_models.metrics import ranking_metrics

    run = full.reported()
    ranks = {name: other.reported().column("rank") for name, other in without.items()}
    _, compared = comparison(run.column("unit"), run.column("rank"), ranks, seed=full.seed)
    return {name: {"metrics": ranking_metrics(ranks[name]), **compared[name]} for name in ranks}


def _listed(said: list[str] | None) -> tuple[str, ...]:
    """Return names, each once, whether commas or options stand between them."""
    names = [name.strip() for text in said or [] for name in text.split(",")]
    return tuple(dict.fromkeys(name for name in names if name))


def _refuse(check: Callable[[], T], option: str) -> T:
    try:
        return check()
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error
