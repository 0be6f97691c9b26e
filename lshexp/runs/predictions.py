"""What a trained network says of a dataset or of a user's own file."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from lshexp import registry
from lshexp.arrays import FloatArray, IntArray
from lshexp.data.base import Examples
from lshexp.data.newfile import classes_of, read_new_file
from lshexp.errors import ConfigError, DataError
from lshexp.nn.trained import TrainedNetwork

_BATCH = 4096  # examples asked of a dataset at a time


class Predictions(NamedTuple):
    """One entry an example, and what predicting all of them took."""

    classes: IntArray  # int32[n]
    probabilities: FloatArray  # float32[n], of the class predicted
    labels: IntArray | None  # int32[n], the classes that they are; None where that is not known
    names: tuple[str, ...] | None  # of the classes
    mults: int
    mults_dense: int  # of the dense network
    seconds: float

    @property
    def accuracy_pct(self) -> float | None:
        """Examples classified correctly, per cent; None without labels or examples."""
        if self.labels is None or not len(self.labels):
            return None
        return 100 * float(np.mean(self.labels == self.classes))

    def to_csv(self) -> bytes:
        """The table: example, predicted, probability and, where labels are known, label."""
        heads = ["example", "predicted", "probability", *(["label"] if self.labels is not None else [])]
        lines = [",".join(heads)]
        for row, (number, share) in enumerate(zip(self.classes, self.probabilities, strict=True)):
            cells = [str(row), self._named(number), repr(round(float(share), 6))]
            cells += [self._named(self.labels[row])] if self.labels is not None else []
            lines.append(",".join(cells))
        return ("\n".join(lines) + "\n").encode()

    def _named(self, number: np.int32) -> str:
        name = str(number) if self.names is None else self.names[number]
        return '"' + name.replace('"', '""') + '"' if set(name) & set(',"\r\n') else name


def predict_data(network: TrainedNetwork, data: str) -> Predictions:
    """Predict a file, or the test examples of a registered dataset.

    A dataset that the network was trained on has the options of its run. Raises ConfigError for what is
    neither file nor dataset, DataError for data that cannot be read or are not such as it was trained on.
    """
    path = Path(data).expanduser()
    about = network.about
    network.warm_up()
    if path.is_file():
        x, texts = read_new_file(path, about.features, about.spec.dataset, about.spec.dataset_options)
        labels = None if texts is None else classes_of(path, texts, about.class_names)
        return _predictions(network, network.scores(x), labels)
    if data not in registry.datasets.discover():
        raise ConfigError(f"{data} is neither a file nor a dataset; `lshexp data list` names the datasets")
    options = about.spec.dataset_options if data == about.spec.dataset else {}
    dataset = registry.datasets.build(data, options)
    if dataset.info().multilabel:
        raise ConfigError(f"{data} has any number of labels an example; predict it with lshexp.load_network")
    test = dataset.load().test
    if test.features != about.features:
        raise DataError(f"{data} has {test.features} features; the network was trained on {about.features}")
    if data == about.spec.dataset and about.spec.test_examples:
        test = test.cut(0, min(test.size, about.spec.test_examples))
    return _predictions(network, *_of_split(network, test))


def _of_split(network: TrainedNetwork, split: Examples) -> tuple[FloatArray, IntArray]:
    scores, labels = [], []
    for first in range(0, split.size, _BATCH):
        part = split.batch(np.arange(first, min(first + _BATCH, split.size)))
        scores.append(network.scores_of_prepared(part.x))
        labels.append(part.classes)
    return np.concatenate(scores), np.concatenate(labels)


def _predictions(network: TrainedNetwork, scores: FloatArray, labels: IntArray | None) -> Predictions:
    about = network.about
    classes = scores.argmax(axis=1).astype(np.int32)
    return Predictions(
        classes=classes,
        probabilities=network.probabilities(scores)[np.arange(len(classes)), classes],
        labels=labels,
        names=about.class_names,
        mults=network.work.mults,
        mults_dense=network.mults_dense,
        seconds=network.seconds,
    )
