from __future__ import annotations

import numpy as np

from online_models.feature_names import feature_names, prior
from online_models.ranker import Ranker
from schemas.model_config import ModelConfig


def test_before_anything_is_learnt_the_prior_ranks() -> None:
    ranker = Ranker(np.array([1, 0, -2], dtype=np.float32), hidden=5)
    features = np.array([[1, 5, 0], [0, 5, 1], [0, 0, 0]], dtype=np.float32)
    np.testing.assert_allclose(ranker.scores(features), [1, -2, 0], atol=1e-5)


def test_features_are_standardised_within_6_deviations() -> None:
    ranker = Ranker(np.ones(2, dtype=np.float32))
    ranker.norms.array[:] = [[10, 0], [4, 1]]
    features = np.array([[14, 1_000], [6, -1_000]], dtype=np.float32)
    np.testing.assert_allclose(ranker.standardise(features), [[2, 6], [-2, -6]], rtol=1e-5)


def test_the_prior_trusts_what_it_names() -> None:
    config = ModelConfig()
    trusted = {
        name: float(weight)
        for name, weight in zip(feature_names(config), prior(config), strict=True)
        if weight
    }
    assert trusted.keys() == {
        "encoder",
        "content",
        *(f"rules_follows_{n}" for n in range(4)),
        *(f"newest_rules_follows_{n}" for n in range(4)),
        *(f"popularity_{n}" for n in range(5)),
    }
    assert min(trusted.values()) > 0
