"""The mean of a network's weights over the ends of its epochs."""

from __future__ import annotations

import numpy as np

from lshexp.nn.network import Network


class WeightAverage:
    """A running mean of all weights and biases (stochastic weight averaging; Izmailov et al., UAI 2018).

    Training goes on from the weights as they are; only what is tested is averaged.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._means = [(np.zeros_like(layer.weights), np.zeros_like(layer.bias)) for layer in network.layers]
        self._count = 0

    def include(self) -> None:
        """Take the weights of the moment into the mean; one multiplication a parameter, counted as update."""
        self._count += 1
        share = np.float32(1 / self._count)
        for layer, means in zip(self._network.layers, self._means, strict=True):
            for mean, value in zip(means, (layer.weights, layer.bias), strict=True):
                mean += (value - mean) * share
            size = layer.weights.size + layer.bias.size
            layer.work.add("update", mults=size, adds=2 * size, nbytes=12 * size)

    def network(self) -> Network:
        """The averaged network, for prediction."""
        return self._network.with_parameters(self._means)
