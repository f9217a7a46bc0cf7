"""`from_sklearn` against scikit-learn: labels, probabilities and numbers, of rows it has not seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from lampion_edge import Session
from lampion_export import ExportError, from_sklearn

X, Y = load_iris(return_X_y=True)
X = X.astype(np.float32)
NAMED = np.array(["setosa", "versicolor", "virginica"])[Y]


@pytest.mark.parametrize("target", [Y, NAMED, Y == 1], ids=["numbers", "names", "two classes"])
@pytest.mark.parametrize(
    "estimator", [make_pipeline(StandardScaler(), LogisticRegression()), RandomForestClassifier(20, random_state=0)]
)
def test_classifiers(estimator: Any, target: Any, tmp_path: Path) -> None:
    estimator.fit(X, target)
    card = from_sklearn(estimator, X[::20], tmp_path / "m.onnx", card={"name": "iris"}, quiet=True).card
    assert card.task == "tabular"
    assert list(card.labels) == [str(each) for each in estimator.classes_]
    assert [(spec.name, spec.meaning) for spec in card.outputs] == [
        ("label", "label"),
        ("probabilities", "probabilities"),
    ]
    session = Session(tmp_path / "m.onnx")
    assert session.verify().ok
    labels, probabilities = session(X)
    np.testing.assert_allclose(probabilities, estimator.predict_proba(X), atol=1e-5)
    assert np.mean(labels == estimator.predict(X)) > 0.99  # equally probable classes may fall either way


@pytest.mark.parametrize(
    ("estimator", "method"),
    [
        (Ridge(), "predict"),
        (PCA(2), "transform"),
        (KMeans(3, random_state=0), "predict"),
        (LinearSVC(), "predict"),
    ],
)
def test_other_estimators(estimator: Any, method: str, tmp_path: Path) -> None:
    estimator.fit(X, Y)
    from_sklearn(estimator, X[:8], tmp_path / "m.onnx", quiet=True)
    want = getattr(estimator, method)(X)
    got = Session(tmp_path / "m.onnx")(X)
    np.testing.assert_allclose(np.reshape(got, want.shape), want, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("estimator", "example", "message"),
    [
        (HistGradientBoostingClassifier(max_iter=2), X[:2], "skl2onnx refuses HistGradientBoostingClassifier"),
        (Ridge(), X[0], r"expected rows \[n, feature\], got an array of shape \[4\]"),
    ],
)
def test_refusals(estimator: Any, example: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=message):
        from_sklearn(estimator.fit(X, Y), example, tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []
