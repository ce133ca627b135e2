from __future__ import annotations

import numpy as np
import pytest

from online_models.metrics import ranking_metrics


@pytest.mark.parametrize(
    ("ranks", "wanted"),
    [
        ([], [0, 0, 0, 0]),
        ([0, 0], [0, 0, 0, 0]),
        ([1], [1, 1, 1, 1]),
        ([2], [1, 1, 0.5, 0.6309]),
        ([10], [1, 1, 0.1, 0.2891]),
        ([11], [0, 1, 0.0909, 0]),
        ([20], [0, 1, 0.05, 0]),
        ([21], [0, 0, 0, 0]),
        ([3, 0, 1, 15], [0.5, 0.75, 0.35, 0.375]),
    ],
)
def test_metrics_equal_those_worked_out_by_hand(ranks: list[int], wanted: list[float]) -> None:
    metrics = ranking_metrics(np.array(ranks, dtype=np.int64))
    assert metrics == dict(zip(("hr@10", "hr@20", "mrr@20", "ndcg@10"), wanted, strict=True))
