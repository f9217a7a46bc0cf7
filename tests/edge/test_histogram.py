from __future__ import annotations

import numpy as np
import pytest

from lampion_edge.histogram import Histogram


def test_quantiles_beside_numpy() -> None:
    values = np.random.default_rng(0).lognormal(-3, 1.5, 5000)
    histogram = Histogram()
    for value in values:
        histogram.add(float(value))
    for share in (0.01, 0.5, 0.9, 0.99, 1.0):
        exact = float(np.quantile(values, share, method="inverted_cdf"))
        assert exact <= histogram.quantile(share) <= exact * 1.101
    assert histogram.sum == pytest.approx(values.sum())
    assert (histogram.count, histogram.most) == (5000, values.max())


def test_buckets_count_what_does_not_exceed_them() -> None:
    histogram = Histogram()
    for value in (0.0, 0.001, 0.5, 5000.0):
        histogram.add(value)
    buckets = dict(histogram.buckets())
    assert [buckets[bound] for bound in (10**-4, 10**-3, 1.0)] == [1, 2, 3]
    assert list(buckets.values())[-1] == 3
    assert histogram.quantile(1) == 5000


def test_nothing_counted() -> None:
    assert Histogram().quantile(0.5) == 0
