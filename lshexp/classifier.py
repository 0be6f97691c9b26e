"""A classifier for scikit-learn, trained by the code that trains the runs of a sweep.

Needs scikit-learn, which `pip install lshexp[sklearn]` brings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lshexp import registry
from lshexp.arrays import CSR, FloatArray
from lshexp.data.base import InputTransform, Part
from lshexp.data.inputs import transform_of
from lshexp.errors import ConfigError
from lshexp.nn.gemm import Gemm
from lshexp.nn.network import Network
from lshexp.nn.plan import plan_layers
from lshexp.nn.threads import most_threads, using_threads
from lshexp.nn.trained import About, TrainedNetwork, as_inputs
from lshexp.nn.training import DivergedError, Training
from lshexp.spec import RunSpec
from lshexp.validation import validate

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.model_selection import train_test_split
    from sklearn.utils import check_random_state
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
except ImportError as error:
    raise ImportError(
        f"lshexp.LSHClassifier needs scikit-learn 1.6 or later ({error}): pip install 'lshexp[sklearn]'"
    ) from None

_SEEDS = 2**31 - 1


class LSHClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A fully connected network that computes a part of its hidden nodes for each example.

    Parameters
    ----------
    hidden : sequence of int
        Nodes of each hidden layer, from the input on.
    active_pct : float
        Active nodes of each hidden layer, per cent.
    method : str
        Way of choosing the active nodes, as `lshexp list methods` names them: `lsh`, `dense`, ...
    method_options : mapping or None
        Options of the method, as in a sweep file: `{"preset": "hybrid"}`.
    lr, optimizer, momentum, batch, epochs, skip
        As the keys of a sweep of these names (`lshexp list keys`).
    inputs : {"raw", "centered", "standard"}
        Features as they are, less their mean, or also divided by their standard deviation.
    early_stopping : bool
        Whether `validation_fraction` of the examples is held out, training ends after `n_iter_no_change`
        epochs that are not better by `tol` points of accuracy, and the best epoch's weights are kept.
    random_state : int, RandomState or None
        Seed of initial weights, order of examples, hash functions and draws; None: another one each time.
    n_jobs : int or None
        Processor threads; None: 1, -1: all there are. They change times and no numbers.

    Attributes
    ----------
    classes_, n_features_in_, feature_names_in_ : as scikit-learn defines them.
    mults_ : int, multiplications of all training so far, choosing the nodes included.
    mults_dense_ : int, those that the dense network would have taken.
    active_pct_ : float, active nodes of all training so far, of all hidden nodes, per cent.
    n_iter_ : int, epochs of the last fit; loss_curve_ : list of float, their mean losses in nats.
    validation_scores_ : list of float or None, accuracies of the epochs, with early stopping.
    network_ : lshexp.nn.trained.TrainedNetwork.

    Sparse examples (`scipy.sparse`) stay sparse: the first layer reads their stored values alone. Weights of
    examples multiply their losses. Mini-batches make fits with weights, and with repeated examples, alike but
    not equal.
    """

    def __init__(
        self,
        hidden: Sequence[int] = (1000, 1000),
        active_pct: float = 5.0,
        method: str = "lsh",
        method_options: Mapping[str, Any] | None = None,
        lr: float = 0.01,
        optimizer: str = "adagrad",
        momentum: float = 0.9,
        batch: int = 32,
        epochs: int = 20,
        skip: bool = False,
        inputs: str = "raw",
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        tol: float = 0.01,
        random_state: Any = None,
        n_jobs: int | None = None,
    ) -> None:
        self.hidden = hidden
        self.active_pct = active_pct
        self.method = method
        self.method_options = method_options
        self.lr = lr
        self.optimizer = optimizer
        self.momentum = momentum
        self.batch = batch
        self.epochs = epochs
        self.skip = skip
        self.inputs = inputs
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> LSHClassifier:
        """Train a new network; X [n, features], rows or sparse, y [n], sample_weight [n] or None.

        Raises ValueError for settings or data that make no network, or when the loss is no longer finite.
        """
        x, labels, weights = self._checked(X, y, sample_weight, reset=True)
        self.classes_, numbers = np.unique(labels, return_inverse=True)
        held_out = None
        if self.early_stopping:
            x, held_out, numbers, held_numbers, weights, _ = self._split(x, numbers, weights)
        train = Part(as_inputs(x), numbers.astype(np.int32))
        self._start(train)
        scores: list[float] = []
        self.validation_scores_ = scores if self.early_stopping else None
        best: tuple[float, list[tuple[FloatArray, FloatArray]]] | None = None
        stale = 0
        for _ in range(self.epochs):
            self._train(train, weights)
            if held_out is None:
                continue
            score = float(np.mean(self.network_.predict(held_out) == held_numbers))
            scores.append(score)
            stale = 0 if best is None or score > best[0] + self.tol / 100 else stale + 1
            if best is None or score > best[0]:
                best = score, [(layer.stored.copy(), layer.bias.copy()) for layer in self._net.layers]
            if stale >= self.n_iter_no_change:
                break
        if best is not None:
            with self._ready():
                self._keep(self._net.with_parameters(best[1]))
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> LSHClassifier:
        """Go over these examples once, with the network there is; the first call names all `classes`.

        What `inputs` does is measured on the examples of the first call.
        """
        first = not hasattr(self, "training_")
        if first and classes is None:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        x, labels, weights = self._checked(X, y, sample_weight, reset=first)
        if first:
            self.classes_ = np.unique(classes)
        elif classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise ValueError(f"`classes={classes!r}` is not the same as on the first call: {self.classes_!r}")
        unknown = np.setdiff1d(labels, self.classes_)
        if len(unknown):
            raise ValueError(f"y has labels that `classes` has not: {unknown[:5]}")
        train = Part(as_inputs(x), np.searchsorted(self.classes_, labels).astype(np.int32))
        if first:
            self._start(train)
            self.validation_scores_ = None
        self._train(train, weights)
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the class of each example."""
        scores = self._scores(X)
        labels: NDArray[Any] = self.classes_[scores.argmax(axis=1)]
        return labels

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the probability of each class, [n, classes], in the order of `classes_`."""
        scores = self._scores(X).astype(np.float64)
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        shares: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
        return shares

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn is to expect."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.non_deterministic = self.random_state is None
        return tags

    @property
    def mults_(self) -> int:
        """Multiplications of all training so far."""
        self._check_fitted()
        return self.training_.mults

    @property
    def mults_dense_(self) -> int:
        """Multiplications that the dense network would have taken."""
        self._check_fitted()
        return self.training_.mults_dense(self.n_features_in_)

    @property
    def active_pct_(self) -> float:
        """Active nodes of all hidden nodes, per cent, mean over all examples trained on."""
        self._check_fitted()
        nodes = sum(layer.nodes for layer in self._net.hidden)
        training: Training = self.training_
        share: float = training.selected.sum() / max(1, nodes * training.examples_seen)
        return 100 * share

    @property
    def _net(self) -> Network:
        network: Network = self.training_.network
        return network

    def _check_fitted(self) -> None:
        if not hasattr(self, "training_"):
            raise AttributeError(f"this {type(self).__name__} is not fitted yet")

    def _checked(
        self, X: Any, y: Any, sample_weight: Any, reset: bool
    ) -> tuple[Any, NDArray[Any], FloatArray | None]:
        X, y = validate_data(self, X, y, reset=reset, accept_sparse="csr", dtype=np.float32, order="C")
        check_classification_targets(y)
        if sample_weight is None:
            return X, y, None
        weights = _check_sample_weight(sample_weight, X, dtype=np.float32, ensure_non_negative=True)
        if not weights.any():
            raise ValueError("all sample weights are zero")
        return X, y, np.ascontiguousarray(weights / weights.mean(dtype=np.float64), dtype=np.float32)

    def _split(self, x: Any, numbers: NDArray[Any], weights: FloatArray | None) -> tuple[Any, ...]:
        """Training and held-out parts of examples, labels and weights, stratified by class."""
        stratify = numbers if np.bincount(numbers).min() > 1 else None
        weighted = np.ones(len(numbers), np.float32) if weights is None else weights
        parts = train_test_split(
            x, numbers, weighted,
            test_size=self.validation_fraction, random_state=self._seed(), stratify=stratify,
        )  # fmt: skip
        return (*parts[:4], None if weights is None else parts[4], parts[5])

    def _seed(self) -> int:
        if isinstance(self.random_state, int | np.integer):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(_SEEDS))

    def _spec(self, sparse: bool) -> RunSpec:
        """The settings as those of a run; what is wrong with them is a ValueError."""
        threads = 1 if self.n_jobs is None else self.n_jobs
        if threads < 1:
            threads = max(1, most_threads() + 1 + threads)
        settings = {
            "dataset": "none",
            "optimizer": self.optimizer,
            "inputs": self.inputs,
            "hidden": [int(nodes) for nodes in self.hidden],
            "method": self.method,
            "method_options": dict(self.method_options or {}),
            "active_pct": float(self.active_pct),
            "lr": float(self.lr),
            "momentum": float(self.momentum),
            "batch": int(self.batch),
            "epochs": int(self.epochs),
            "skip": bool(self.skip),
            "input": "lists" if sparse and self.inputs == "raw" else "rows",
            "threads": min(threads, most_threads()),
            "seed": self._seed(),
        }
        return validate(RunSpec, settings)

    def _start(self, train: Part) -> None:
        """Build the network."""
        if len(self.classes_) < 2:
            raise ValueError(f"y has {len(self.classes_)} class; at least 2 classes are needed")
        sparse = isinstance(train.x, CSR)
        try:
            spec = self._spec(sparse)
            method = registry.methods.build(spec.method, spec.method_options)
            spec = spec.model_copy(update={"method_options": method.recorded()})
            widths = [train.features, *spec.hidden, len(self.classes_)]
            plans = plan_layers(spec, method, widths)
            transform: InputTransform | None = transform_of(spec.inputs, train)
            with Gemm(1) as gemm:
                network = Network(spec, method, train.features, len(self.classes_), gemm, plans)
        except ConfigError as error:
            raise ValueError(str(error)) from None
        self.training_ = Training(spec, network)
        self.about_ = About(spec, train.features, len(self.classes_), transform=transform)
        self.n_iter_ = 0
        self.loss_curve_: list[float] = []
        self._keep(network)

    def _keep(self, network: Network) -> None:
        """Predict with a network from now on."""
        self.network_ = TrainedNetwork(self.about_, network)

    def _train(self, train: Part, weights: FloatArray | None) -> None:
        """One epoch."""
        training, transform = self.training_, self.about_.transform
        examples = train if transform is None else Part(transform(train.x), train.y)
        with self._ready():
            order = training.order(self.n_iter_, train.size)
            try:
                sums = training.epoch(examples, order, self.n_iter_, weights)
            except DivergedError as error:
                raise ValueError(str(error)) from None
        self.n_iter_ += 1
        self.loss_curve_.append(sums.loss / sums.examples)
        if self.network_.network is not training.network:
            self._keep(training.network)  # what early stopping had kept is out of date

    def _scores(self, X: Any) -> FloatArray:
        check_is_fitted(self, "training_")
        X = validate_data(self, X, reset=False, accept_sparse="csr", dtype=np.float32, order="C")
        return self.network_.scores(X)

    @contextmanager
    def _ready(self) -> Iterator[None]:
        threads = self.about_.spec.threads
        with using_threads(threads), Gemm(threads) as gemm:
            self._net.use(gemm)
            yield
