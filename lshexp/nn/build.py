"""Which class stores a layer, and the numbers that it begins with."""

from __future__ import annotations

import numpy as np

from lshexp.arrays import FloatArray
from lshexp.kernels.step import Rule
from lshexp.methods.base import Factors, Hashed, Kept, Rounded, Storage
from lshexp.nn.blocks import BlockLayer
from lshexp.nn.by_input import LayerByInput
from lshexp.nn.factors import FactorLayer
from lshexp.nn.gemm import Gemm
from lshexp.nn.hashed import HashedLayer
from lshexp.nn.kept import KeptLayer
from lshexp.nn.layer import Layer
from lshexp.nn.plan import LayerPlan
from lshexp.nn.rounded import RoundedLayer
from lshexp.streams import stream, stream_key

_STORED_AS: dict[type[Storage], type[Layer]] = {
    Kept: KeptLayer,
    Factors: FactorLayer,
    Rounded: RoundedLayer,
}


def build_layer(
    key: int, layer: int, stored: FloatArray | None, plan: LayerPlan, rule: Rule, gemm: Gemm, threads: int
) -> Layer:
    """Return a layer stored as its plan says.

    `key` and its number, `layer`, seed what is drawn: hash functions and, unless `stored` are given, its
    parameters, float32[`plan.shape`].
    """
    if stored is None:
        stored = initial_parameters(key, layer, plan)
    if isinstance(plan.storage, Hashed):
        return HashedLayer(stored, plan, rule, gemm, threads, stream_key(key, "hashed", layer))
    kind: type[Layer] = BlockLayer if plan.block > 1 else LayerByInput if plan.by_input else Layer
    if plan.storage:
        kind = _STORED_AS[type(plan.storage)]
    return kind(stored, plan, rule, gemm, threads)


def initial_parameters(key: int, layer: int, plan: LayerPlan) -> FloatArray:
    """He initialisation (He et al., 2015): weights normal with variance 2 / fan-in; float32[`plan.shape`].

    Where nodes have few weights, all others are zero, and fan-in is the number of those few. Of two factors
    the second has variance 1 / fan-in, as nothing follows it but the first, whose variance is 2 / rank: so
    their product has that of the weights.
    """
    storage, fan_in = plan.storage, plan.fan_in
    draws = stream(key, "init", layer).standard_normal(plan.shape, dtype=np.float32)
    if isinstance(storage, Kept):
        fan_in = storage.weights_of_node(plan.fan_in)
        if fan_in < plan.fan_in:
            order = stream(key, "kept", layer).random(plan.shape, dtype=np.float32)
            draws[order > np.partition(order, fan_in - 1, axis=1)[:, fan_in - 1 : fan_in]] = 0
    if isinstance(storage, Factors):
        draws[:, : plan.nodes] *= np.float32(np.sqrt(2 / plan.shape[0]))
        draws[:, plan.nodes :] *= np.float32(np.sqrt(1 / fan_in))
        return draws
    return draws * np.float32(np.sqrt(2 / fan_in))
