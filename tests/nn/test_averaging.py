"""The averaged network is the mean of the epochs' weights, and looking at it changes nothing."""

from __future__ import annotations

import numpy as np
import pytest
from small_networks import data, network, train

from lshexp.methods.base import Batch
from lshexp.nn.trainer import WeightAverage


@pytest.mark.parametrize("method", ["dense", "lsh"])
def test_average_is_the_mean_and_leaves_training_alone(method):
    x, y = data(24)
    images, seen = [], []
    for look in (False, True):
        with network(method, hidden=[40, 30]) as net:
            average = WeightAverage(net)
            before = sum(layer.work.mults() for layer in net.layers)
            for epoch in range(3):
                train(net, x, y, epoch=epoch)
                counted = sum(layer.work.mults() for layer in net.layers)
                if look:
                    average.include()
                    seen.append(net.layers[0].weights.copy())
                    parameters = sum(layer.weights.size + layer.bias.size for layer in net.layers)
                    assert sum(layer.work.mults() for layer in net.layers) == counted + parameters
                    twin = average.network()
                    counted = sum(layer.work.mults() for layer in net.layers)
                    twin.predict(x, y, Batch(np.arange(24), epoch, False))
                    assert sum(layer.work.mults() for layer in net.layers) == counted
            assert before == 0
            images.append([layer.weights.tobytes() for layer in net.layers])
    assert images[0] == images[1]
    np.testing.assert_allclose(twin.layers[0].weights, np.mean(seen, axis=0), rtol=1e-5, atol=1e-7)
