"""Trained networks in files: weights, biases, what was learned of the inputs, options and seeds.

A file is in the safetensors format: arrays, and one JSON text. Nothing in it is code, and nothing is
unpickled. Parameters are `layer<i>.weights`, float32[nodes, fan-in] unless the method stores other numbers in
place of them, and `layer<i>.bias`, from the input on; `selection<i>.*` is what the method of layer i needs
beyond them. Hash tables are not in the file: they are filled again from the buckets of the nodes, so that a
network predicts as it did at the end of its run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from lshexp import registry
from lshexp.data.base import InputTransform
from lshexp.data.reading import require_memory
from lshexp.errors import StoreError
from lshexp.io import make_folder, storage_error, write_atomic
from lshexp.nn.gemm import Gemm
from lshexp.nn.network import Network
from lshexp.nn.plan import LayerPlan, plan_layers
from lshexp.nn.threads import most_threads
from lshexp.nn.trained import About, TrainedNetwork
from lshexp.spec import KERNEL_REVISION, RunSpec

FORMAT = 1
MOST_BYTES = 2**36  # of a file
MOST_TEXT = 2**24  # characters of its JSON text
_KEY = "lshexp"
_COUNTS = "label_counts"  # int64[classes], where the output's method asks for them
_TRANSFORMS = ("own_scale", "transform")
_Width = Annotated[int, Field(ge=1, le=100_000_000)]


class _Header(BaseModel):
    """The JSON text of a file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    kernel_revision: int = KERNEL_REVISION
    spec: RunSpec
    features: _Width
    classes: _Width
    sparse: bool
    class_names: tuple[str, ...] | None


def save_network(path: Path, network: Network, about: About) -> None:
    """Keep a trained network; whoever reads sees all of the file or none. Raises StoreError."""
    arrays: dict[str, NDArray[Any]] = {}
    for index, layer in enumerate(network.layers):
        arrays[f"layer{index}.weights"] = np.ascontiguousarray(layer.stored)
        arrays[f"layer{index}.bias"] = layer.bias
    if network.output.label_counts is not None:
        arrays[_COUNTS] = network.output.label_counts
    for index, selector in enumerate(network.all_selectors()):
        for name, array in selector.state().items():
            arrays[f"selection{index}.{name}"] = np.ascontiguousarray(array)
    for name in _TRANSFORMS:
        transform: InputTransform | None = getattr(about, name)
        if transform:
            arrays |= {f"{name}.offset": transform.offset, f"{name}.divisor": transform.divisor}
    header = _Header(
        spec=about.spec,
        features=about.features,
        classes=about.classes,
        sparse=about.sparse,
        class_names=about.class_names,
    )
    make_folder(path.parent)
    write_atomic(path, save(arrays, {_KEY: header.model_dump_json()}))


def load_network(path: str | Path) -> TrainedNetwork:
    """Read a network that a run has kept (`save: true`, or `lshexp sweep --save`).

    It predicts with the selection it was trained with, on as many threads as its run had or as there are.
    Raises StoreError for a file that is absent, damaged, too large or of another version; ConfigError when
    its method is not installed.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
    except OSError as error:
        raise storage_error("read", path, error) from error
    if size > MOST_BYTES:
        raise StoreError(f"{path} is larger than {MOST_BYTES} bytes; it is no network of lshexp")
    require_memory(path, 2 * size, "the weights of its network")
    try:
        with safe_open(path, framework="numpy") as file:
            header = _header(path, (file.metadata() or {}).get(_KEY, ""))
            spec = header.spec.model_copy(update={"threads": min(header.spec.threads, most_threads())})
            plans = _plans(spec, header)
            _check_shapes(file, plans)
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        transforms = {name: _transform(arrays, name, header.features) for name in _TRANSFORMS}
        about = About(spec, header.features, header.classes, header.sparse, header.class_names, **transforms)
        return TrainedNetwork(about, _network(about, plans, arrays))
    except (SafetensorError, ValidationError, LookupError, ValueError, TypeError, AttributeError) as error:
        raise _damaged(path, error) from None


def _header(path: Path, text: str) -> _Header:
    if not text or len(text) > MOST_TEXT:
        raise ValueError("it was not written by lshexp")
    version = json.loads(text).get("format")
    if isinstance(version, int) and version != FORMAT:
        raise StoreError(f"{path} has format {version} and this lshexp reads {FORMAT}; train its run again")
    header = _Header.model_validate_json(text)
    if header.kernel_revision != KERNEL_REVISION:
        raise StoreError(
            f"{path} was trained by revision {header.kernel_revision} of the kernels and this is "
            f"{KERNEL_REVISION}; train its run again"
        )
    return header


def _plans(spec: RunSpec, header: _Header) -> list[LayerPlan]:
    method = registry.methods.build(spec.method, spec.method_options)
    return plan_layers(spec, method, [header.features, *spec.hidden, header.classes], header.sparse)


def _check_shapes(file: Any, plans: list[LayerPlan]) -> None:
    """Compare the shapes that the file promises with those of the network, before any is made."""
    for index, plan in enumerate(plans):
        for name, shape in (("weights", list(plan.shape)), ("bias", [plan.nodes])):
            part = file.get_slice(f"layer{index}.{name}")
            if list(part.get_shape()) != shape or part.get_dtype() != "F32":
                raise ValueError(f"layer{index}.{name} is not float32{shape}")


def _network(about: About, plans: list[LayerPlan], arrays: Mapping[str, NDArray[Any]]) -> Network:
    spec = about.spec
    method = registry.methods.build(spec.method, spec.method_options)
    parameters = [(arrays[f"layer{i}.weights"], arrays[f"layer{i}.bias"]) for i in range(len(plans))]
    counts = arrays.get(_COUNTS)
    if counts is not None and (counts.shape != (about.classes,) or counts.dtype != np.int64):
        raise ValueError(f"{_COUNTS} is not int64[{about.classes}]")
    with Gemm(1) as gemm:
        network = Network(
            spec, method, about.features, about.classes, gemm, plans, counts, parameters=parameters
        )
    for index, selector in enumerate(network.all_selectors()):
        prefix = f"selection{index}."
        selector.restore(
            {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
        )
    return network


def _transform(arrays: Mapping[str, NDArray[Any]], name: str, features: int) -> InputTransform | None:
    if f"{name}.offset" not in arrays:
        return None
    offset, divisor = arrays[f"{name}.offset"], arrays[f"{name}.divisor"]
    for array in (offset, divisor):
        if array.shape != (features,) or array.dtype != np.float32:
            raise ValueError(f"{name} is not float32[{features}]")
    return InputTransform(offset, divisor)


def _damaged(path: Path, error: Exception) -> StoreError:
    reason = " ".join(str(error).split())[:200]
    return StoreError(f"network {path} is damaged ({reason}); delete it and run its sweep with --save again")
