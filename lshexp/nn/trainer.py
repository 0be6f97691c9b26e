"""One run from specification to result: data, epochs, evaluation, counting and timing."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from lshexp import registry
from lshexp.arrays import CSR, OffsetArray
from lshexp.data.base import Dataset, Examples, InputTransform, Splits
from lshexp.data.inputs import transform_of, transformed
from lshexp.energy.rapl import POWERCAP, Meter
from lshexp.errors import ConfigError, Problem
from lshexp.methods.base import Batch, Method
from lshexp.nn.asynchronous import workers_of
from lshexp.nn.dense_cost import DenseCost
from lshexp.nn.gemm import Gemm
from lshexp.nn.labels import folded, label_counts
from lshexp.nn.network import Network
from lshexp.nn.plan import (
    LayerPlan,
    output_method,
    plan_layers,
    require_labels,
    small_twins,
    tail_method,
)
from lshexp.nn.prediction import (
    Prediction,
    predict_split,
    retrieve_split,
    time_of_one,
    time_of_one_retrieved,
)
from lshexp.nn.probe import Probe
from lshexp.nn.ranking import Sums, propensities
from lshexp.nn.result import EpochRow, Progress, Reporter, RunResult, SelectionRow, WorkRow
from lshexp.nn.saving import save_network
from lshexp.nn.threads import using_threads
from lshexp.nn.trained import About, TrainedNetwork
from lshexp.nn.training import DivergedError, EpochSums, Training
from lshexp.spec import RunSpec
from lshexp.work import PHASES, PREDICT, Work

SECONDS_BETWEEN_REPORTS = 0.2
WARM_UP_WIDTH = 256  # nodes of a hidden layer, at most


def run(spec: RunSpec, report: Reporter | None = None, keep: Path | None = None) -> RunResult:
    """Train and test one network and return its rows.

    Compilation and data loading happen before the clock starts; evaluation stops it. The network that is
    tested last, which has averaged weights if any has, is written to the file `keep`, if one is given.

    Raises DataError when the data cannot be read, ConfigError when the machine cannot run the specification,
    StoreError when the network cannot be written.
    """
    result, trained = train(spec, report)
    if keep and result.status == "ok":
        save_network(keep, trained.network, trained.about)
    return result


def train(spec: RunSpec, report: Reporter | None = None) -> tuple[RunResult, TrainedNetwork]:
    """As `run`, and return beside the rows the network that is tested last."""
    method, dataset = _plugins(spec)
    require_labels(spec, dataset.info().multilabel)
    splits = _cut(dataset.load(), spec)
    transform = transform_of(spec.inputs, *splits)
    train, valid, test = transformed(transform, *splits)
    classes = dataset.info().classes
    with using_threads(spec.threads), Gemm(spec.threads) as gemm:
        widths = [train.features, *spec.hidden, classes]
        plans = plan_layers(spec, method, widths, dataset.info().sparse)
        compile_s = warm_up(spec, method, plans, train, gemm)
        asking = [one for one in (output_method(spec), tail_method(spec)) if one and one.counts_labels]
        counted = bool(asking) or dataset.info().multilabel
        counts = label_counts(train, classes) if counted else None
        network = Network(spec, method, train.features, classes, gemm, plans, label_counts=counts)
        training = _Run(spec, network, train, valid, test)
        result = training.finish(compile_s, report)
        about = _about(spec, dataset, train.features, transform)
        return result, TrainedNetwork(about, training.tested)


def _about(spec: RunSpec, dataset: Dataset, features: int, transform: InputTransform | None) -> About:
    info = dataset.info()
    return About(
        spec, features, info.classes, info.sparse, dataset.class_names(), dataset.own_scale(), transform
    )


def _plugins(spec: RunSpec) -> tuple[Method, Dataset]:
    method = registry.methods.build(spec.method, spec.method_options)
    dataset = registry.datasets.build(spec.dataset, spec.dataset_options)
    return method, dataset


def _cut(splits: Splits, spec: RunSpec) -> tuple[Examples, Examples, Examples]:
    """The first train_examples, less their held-out tail, and the first test_examples."""
    n_train = spec.train_examples or splits.train.size
    n_test = spec.test_examples or splits.test.size
    n_fit = n_train - spec.validation_examples
    for key, wanted, there in (
        ("train_examples", n_train, splits.train.size),
        ("test_examples", n_test, splits.test.size),
        ("validation_examples", spec.validation_examples, n_train - 1),
    ):
        if wanted > there:
            raise ConfigError([Problem((key,), f"{wanted} is more than the {there} there are")])
    return splits.train.cut(0, n_fit), splits.train.cut(n_fit, n_train), splits.test.cut(0, n_test)


def warm_up(spec: RunSpec, method: Method, plans: Sequence[LayerPlan], train: Examples, gemm: Gemm) -> float:
    """Compile every kernel the run will use, on small twins of its layers; return the seconds it took."""
    started = time.perf_counter()
    # batches are copies: numba would compile anew for the dataset's own arrays, which are read-only
    ids = np.arange(min(train.size, 32))
    x, given = train.batch(ids)
    for small in small_twins(plans, WARM_UP_WIDTH):
        classes = small[-1].nodes
        y, counts = folded(given, classes), np.ones(classes, dtype=np.int64)
        network = Network(spec, method, train.features, classes, gemm, small, label_counts=counts)
        workers = workers_of(spec, network)
        for _ in range(2):  # some methods learn at the first batch, and follow from the second on
            (workers or network).train_batch(x, y, Batch(ids, 0, True))
        if workers:
            workers.drain()
        network.predict(x, y, Batch(ids, 0, False))
        network.retrieve(x, Batch(ids, 0, False))
        network.scores(x[:1], Batch(ids[:1], 0, False))  # an example alone takes other kernels
        if spec.probe:
            Probe(network, train.cut(0, len(ids)), 1.0, spec.active_pct / 100, spec.key()).look(0)
    return time.perf_counter() - started


class WeightAverage:
    """A running mean of all weights and biases (stochastic weight averaging; Izmailov et al., UAI 2018).

    Training goes on from the weights as they are; only what is tested is averaged.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._means = [(np.zeros_like(layer.stored), np.zeros_like(layer.bias)) for layer in network.layers]
        self._count = 0

    def include(self) -> None:
        """Take the weights of the moment into the mean; one multiplication a parameter, counted as update."""
        self._count += 1
        share = np.float32(1 / self._count)
        for layer, means in zip(self._network.layers, self._means, strict=True):
            for mean, value in zip(means, (layer.stored, layer.bias), strict=True):
                mean += (value - mean) * share
            size = layer.stored.size + layer.bias.size
            layer.work.count("update", Work(size, 2 * size, 32 * size))  # three expressions

    def network(self) -> Network:
        """The averaged network, for prediction."""
        return self._network.with_parameters(self._means)


class _Run:
    """The state of a run between its epochs."""

    def __init__(
        self, spec: RunSpec, network: Network, train: Examples, valid: Examples, test: Examples
    ) -> None:
        self.spec = spec
        self.network = network
        self.tested = network  # the one that predicts: with averaged weights, another than the one trained
        self.train, self.valid, self.test = train, valid, test
        self.training = Training(spec, network)
        self.average = WeightAverage(network) if spec.average_from else None
        self.order = hashlib.sha256()
        self.meter = Meter(POWERCAP)
        self.probe = (
            Probe(network, train, spec.probe, spec.active_pct / 100, spec.key()) if spec.probe else None
        )
        self.selection: list[SelectionRow] = []
        self.prediction: Prediction | None = None  # of the test examples, after the last epoch
        self.retrieval: Prediction | None = None  # the same by the classes that the output retrieves
        self.weights = inverse_propensities(network.output.label_counts, train, test)
        fewer = any(plan.storage for plan in network.plans)  # its weights are nobody else's
        self.init_hash = "" if fewer else _digest(*(layer.weights for layer in network.layers))

    def finish(self, compile_s: float, report: Reporter | None) -> RunResult:
        """Train all epochs, or until the loss is not finite."""
        rows: list[EpochRow] = []
        error = None
        try:
            for epoch in range(self.spec.epochs):
                rows.append(self._epoch(epoch, rows[-1].test_acc_pct if rows else None, report))
        except DivergedError as stop:
            error = str(stop)
        self.meter.stop()  # it still runs when an epoch was cut short
        network = self.network
        predict_us_1 = None if error else time_of_one(self.tested, self.test, len(rows) - 1)
        dense = DenseCost([self.train.features, *(layer.nodes for layer in network.layers)])
        training = self.training
        active = training.selected / max(1, training.examples_seen)
        return RunResult(
            status="diverged" if error else "ok",
            error=error,
            epochs=rows,
            work=self._work(None if error else self.prediction),
            mults_dense=training.mults_dense(self.train.features),
            mults_paper=int(training.selected @ [layer.fan_in for layer in network.hidden]),
            mults_dense_paper=training.examples_seen * dense.hidden_products,
            active_by_layer_pct=[
                100 * float(a) / layer.nodes for a, layer in zip(active, network.hidden, strict=True)
            ],
            compile_s=compile_s,
            peak_rss_mb=_peak_rss_mb(),
            init_hash=self.init_hash,
            order_hash=self.order.hexdigest()[:12],
            notes=self._notes(),
            selection=self.selection,
            rapl_j=self.meter.joules,
            derived=registry.methods.build(self.spec.method, self.spec.method_options).derived(
                self.spec.active_pct / 100
            ),
            derived_output=output_method(self.spec).derived(self.spec.output_active_pct / 100),
            mults_dense_predict=None if error else self._dense_prediction(dense),
            predict_us=None if error or not self.prediction else self.prediction.us,
            predict_us_1=predict_us_1,
            **self._retrieved(error is None, len(rows) - 1),
        )

    def _dense_prediction(self, dense: DenseCost) -> int:
        predicted, sparse = self.prediction, self.training.stored is not None
        return dense.prediction(self.test.size, predicted.stored if predicted and sparse else None)

    def _retrieved(self, complete: bool, epoch: int) -> dict[str, Any]:
        """What predicting takes where the output retrieves classes."""
        if not (complete and self.retrieval):
            return {}
        return {
            "mults_predict_retrieved": sum(work.mults for work in self.retrieval.work),
            "predict_us_retrieved": self.retrieval.us,
            "predict_us_1_retrieved": time_of_one_retrieved(self.tested, self.test, epoch),
        }

    def _work(self, prediction: Prediction | None) -> list[WorkRow]:
        """Work of training by layer and phase and, of a run that has come to its end, of predicting."""
        rows = []
        for index, layer in enumerate(self.network.layers):
            counts = [(phase, layer.work.tally(phase)) for phase in PHASES]
            if prediction:
                counts.append((PREDICT, prediction.work[index]))
            rows += [WorkRow(index, phase, *work, str(layer.plan)) for phase, work in counts]
        return rows

    def _epoch(self, epoch: int, last_acc: float | None, report: Reporter | None) -> EpochRow:
        spec, network = self.spec, self.network
        training = self.training
        order = training.order(epoch, self.train.size)
        self.order.update(order.astype("<i8").tobytes())
        self.meter.start()
        select_before, mults_before = network.select_s, training.mults
        selected_before, classes_before = training.selected.copy(), training.active_classes
        reported = started = time.perf_counter()

        def after_batch(sums: EpochSums) -> None:
            nonlocal reported
            self.meter.sample()
            if report and time.perf_counter() - reported > SECONDS_BETWEEN_REPORTS:
                reported = time.perf_counter()
                loss = sums.loss / sums.examples
                report(Progress(epoch + 1, spec.epochs, sums.examples, len(order), loss, last_acc))

        sums = training.epoch(self.train, order, epoch, after_batch=after_batch)
        average = self.average if spec.average_from and epoch + 1 >= spec.average_from else None
        if average:
            average.include()
        train_s = time.perf_counter() - started
        self.meter.stop()
        self.tested = average.network() if average else network
        valid = predict_split(self.tested, self.valid, epoch) if self.valid.size else None
        self.prediction = predict_split(self.tested, self.test, epoch, self.weights)
        self.retrieval = retrieve_split(self.tested, self.test, epoch, self.weights)
        if self.probe:
            self.selection += self.probe.look(epoch)
        width = sum(layer.nodes for layer in network.hidden)
        selected = float((training.selected - selected_before).sum())
        row = EpochRow(
            epoch=epoch + 1,
            train_loss=sums.loss / sums.examples,
            train_acc_pct=100 * sums.hits / sums.examples,
            valid_acc_pct=valid.accuracy_pct if valid else None,
            test_acc_pct=self.prediction.accuracy_pct,
            active_pct_achieved=100 * selected / (sums.examples * max(1, width)),
            mults_total=training.mults - mults_before,
            select_s=network.select_s - select_before,
            train_s=train_s,
            eval_s=time.perf_counter() - started - train_s,
        )
        active = training.active_classes - classes_before
        return replace(
            row,
            output_active_pct_achieved=100 * active / (sums.examples * network.output.nodes)
            if active
            else None,
            **ranked(self.prediction, self.retrieval),
        )

    def _notes(self) -> dict[str, int]:
        workers = self.training.workers
        total: dict[str, int] = workers.notes() if workers else {}
        for selector in self.network.selectors:
            for name, count in selector.notes().items():
                total[name] = total.get(name, 0) + count
        if self.network.head.selector:
            total |= {f"output_{name}": n for name, n in self.network.head.selector.notes().items()}
        return total


def inverse_propensities(counts: OffsetArray | None, train: Examples, test: Examples) -> Sums | None:
    """One over the chance that a label is recorded, float64[classes]; None where an example has one label."""
    several = isinstance(test.batch(np.arange(1)).y, CSR)
    return 1 / propensities(counts, train.size) if counts is not None and several else None


def ranked(exact: Prediction, retrieved: Prediction | None) -> dict[str, Any]:
    """Ranking measures of the test examples by field of EpochRow."""
    cells = {f"test_{name}": value for name, value in exact.ranking.items() if name != "acc_pct"}
    if retrieved:
        cells |= {f"test_{name}_retrieved": value for name, value in retrieved.ranking.items()}
    return {**cells, "test_perplexity": exact.perplexity}


def _digest(*arrays: np.ndarray) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:12]


def _peak_rss_mb() -> float:
    """Peak resident memory of this process so far, in 10**6 bytes; current memory where no peak is kept."""
    try:
        import resource
    except ImportError:  # not a Unix
        return float(psutil.Process().memory_info().rss / 1e6)
    unit = 1 if sys.platform == "darwin" else 1024  # bytes of what the system counts in
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
