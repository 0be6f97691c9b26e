"""The classifier for scikit-learn: its own checks, and what it promises beyond them."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("sklearn")
import scipy.sparse
from sklearn.datasets import make_classification
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from lshexp import LSHClassifier
from lshexp.nn.dense_cost import DenseCost

SMALL = {"hidden": (32, 32), "active_pct": 25.0, "epochs": 30, "batch": 8, "lr": 0.05, "random_state": 0}
WEIGHTS = "mini-batches: an example of weight 2 is in one step, and an example given twice in two"
ROUNDING = "probabilities agree to 1e-6: BLAS sums float32 in another order for another number of examples"
EXPECTED_FAILURES = {
    "check_methods_sample_order_invariance": ROUNDING,
    "check_methods_subset_invariance": ROUNDING,
    "check_sample_weight_equivalence_on_dense_data": WEIGHTS,
    "check_sample_weight_equivalence_on_sparse_data": WEIGHTS,
}


@pytest.fixture(scope="module")
def data():
    x, y = make_classification(
        400, 20, n_informative=12, n_classes=3, n_clusters_per_class=1, class_sep=2.0, random_state=0
    )
    return x.astype(np.float32), np.array(["red", "green", "blue"])[y]


@pytest.mark.parametrize(
    "changes",
    [{}, {"method": "dense", "active_pct": 100.0}],
    ids=["lsh", "dense"],
)
def test_it_passes_the_checks_of_scikit_learn(changes):
    found = check_estimator(
        LSHClassifier(**{**SMALL, **changes}), expected_failed_checks=EXPECTED_FAILURES, on_fail=None
    )
    failed = [
        f"{check['check_name']}: {check['exception']!r}" for check in found if check["status"] == "failed"
    ]
    assert not failed, "\n".join(failed)
    assert sum(check["status"] == "passed" for check in found) > 40


def test_it_learns_counts_and_repeats_itself(data):
    x, y = data
    model = LSHClassifier(**SMALL).fit(x[:300], y[:300])
    assert model.score(x[300:], y[300:]) > 0.8
    assert set(model.classes_) == {"red", "green", "blue"}
    assert len(model.loss_curve_) == model.n_iter_ == 30
    assert 20 < model.active_pct_ <= 30
    again = LSHClassifier(**SMALL).fit(x[:300], y[:300])
    np.testing.assert_array_equal(again.predict_proba(x), model.predict_proba(x))
    assert again.mults_ == model.mults_ > 0
    dense = LSHClassifier(**{**SMALL, "method": "dense", "active_pct": 100.0}).fit(x[:300], y[:300])
    steps = 30 * -(-300 // 8)
    assert dense.mults_ == dense.mults_dense_ == DenseCost([20, 32, 32, 3]).training(9000, steps, "adagrad")
    assert model.mults_dense_ == dense.mults_dense_


def test_an_example_is_predicted_alike_in_any_company(data):
    x, y = data
    model = LSHClassifier(**{**SMALL, "epochs": 3}).fit(x, y)
    whole, order = model.predict_proba(x), np.random.default_rng(0).permutation(400)
    np.testing.assert_allclose(model.predict_proba(x[order]), whole[order], atol=1e-6)
    alone = np.concatenate([model.predict_proba(x[row : row + 1]) for row in range(50)])
    np.testing.assert_allclose(alone, whole[:50], atol=1e-6)


def test_threads_change_no_number(data):
    x, y = data
    one, two = (LSHClassifier(**{**SMALL, "epochs": 3}, n_jobs=jobs).fit(x, y) for jobs in (1, 2))
    np.testing.assert_array_equal(one.predict_proba(x), two.predict_proba(x))


def test_sparse_examples_are_learnt_from_and_cost_what_they_store(data):
    x, y = data
    thin = np.where(np.abs(x) > 1.5, x, 0).astype(np.float32)
    rows = LSHClassifier(**SMALL).fit(thin, y)
    lists = LSHClassifier(**SMALL).fit(scipy.sparse.csr_array(thin), y)
    assert lists.mults_ < rows.mults_
    assert lists.score(scipy.sparse.csc_matrix(thin), y) == lists.score(thin, y) > 0.8


def test_partial_fit_goes_on_where_it_was(data):
    x, y = data
    model = LSHClassifier(**SMALL)
    with pytest.raises(ValueError, match="classes must be passed"):
        model.partial_fit(x, y)
    scores = []
    for _ in range(10):
        for first in range(0, 400, 100):
            part = slice(first, first + 100)
            model.partial_fit(x[part], y[part], classes=np.unique(y))
        scores.append(model.score(x, y))
    assert scores[-1] > 0.8 and model.n_iter_ == 40
    with pytest.raises(ValueError, match="has not"):
        model.partial_fit(x[:2], ["red", "pink"])
    whole = LSHClassifier(**{**SMALL, "epochs": 1}).fit(x, y)
    one = LSHClassifier(**SMALL).partial_fit(x, y, classes=np.unique(y))
    np.testing.assert_array_equal(one.predict_proba(x), whole.predict_proba(x))


def test_weights_of_examples_move_the_decision(data):
    x, y = data
    weights = np.where(y == "red", 30.0, 0.01)
    plain = LSHClassifier(**{**SMALL, "epochs": 5, "lr": 0.01}).fit(x, y)
    heavy = LSHClassifier(**{**SMALL, "epochs": 5, "lr": 0.01}).fit(x, y, sample_weight=weights)
    assert np.mean(heavy.predict(x) == "red") > np.mean(plain.predict(x) == "red") + 0.2
    ones = LSHClassifier(**{**SMALL, "epochs": 5, "lr": 0.01}).fit(x, y, sample_weight=np.full(400, 7.0))
    np.testing.assert_array_equal(ones.predict_proba(x), plain.predict_proba(x))
    with pytest.raises(ValueError, match="zero"):
        LSHClassifier(**SMALL).fit(x, y, sample_weight=np.zeros(400))


def test_examples_of_weight_zero_leave_no_trace(data):
    """With one batch an epoch and plain steps, the fit is that of the other examples."""
    x, y = data
    settings = {
        **SMALL,
        "method": "dense",
        "active_pct": 100.0,
        "optimizer": "sgd",
        "batch": 400,
        "epochs": 1,
    }
    weights = (np.arange(400) < 200).astype(float)
    weighted = LSHClassifier(**settings).fit(x, y, sample_weight=weights)
    fewer = LSHClassifier(**settings).fit(x[:200], y[:200])
    np.testing.assert_allclose(weighted.predict_proba(x), fewer.predict_proba(x), atol=1e-5)


def test_early_stopping_keeps_the_best_epoch(data):
    x, y = data
    model = LSHClassifier(**{**SMALL, "epochs": 100}, early_stopping=True, n_iter_no_change=3).fit(x, y)
    assert model.n_iter_ == len(model.validation_scores_) < 100
    assert model.score(x, y) > 0.8
    model.partial_fit(x, y)
    assert model.network_.network is model.training_.network


@pytest.mark.parametrize("method", ["lsh", "dense", "dropout", "adaptive_dropout", "winner_take_all"])
def test_a_pickled_model_predicts_and_learns_on_as_the_original(data, method):
    x, y = data
    model = LSHClassifier(**{**SMALL, "epochs": 2}, method=method, n_jobs=2).fit(x, y)
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.predict_proba(x), model.predict_proba(x))
    np.testing.assert_array_equal(
        copy.partial_fit(x, y).predict_proba(x), model.partial_fit(x, y).predict_proba(x)
    )
    assert copy.mults_ == model.mults_


def test_it_works_in_a_pipeline_and_a_grid_search(data):
    x, y = data
    steps = make_pipeline(StandardScaler(), LSHClassifier(**{**SMALL, "epochs": 5}))
    grid = GridSearchCV(steps, {"lshclassifier__active_pct": [10.0, 50.0], "lshclassifier__lr": [1e-6, 0.05]})
    grid.fit(x, y)
    assert grid.best_params_["lshclassifier__lr"] == 0.05
    assert grid.best_score_ > 0.7 and grid.best_estimator_[-1].mults_ > 0


@pytest.mark.parametrize(
    "changes",
    [{"method": "nobody"}, {"active_pct": 0}, {"hidden": (0,)}, {"method_options": {"q": 1}}, {"lr": -1}],
)
def test_wrong_settings_are_value_errors_when_fitted(data, changes):
    with pytest.raises(ValueError, match=r"nobody|active_pct|hidden|'q'|lr"):
        LSHClassifier(**{**SMALL, **changes}).fit(*data)


def test_without_scikit_learn_the_error_says_what_to_install():
    code = "import sys; sys.modules['sklearn.base'] = None; import lshexp; lshexp.LSHClassifier"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install 'lshexp[sklearn]'" in done.stderr
