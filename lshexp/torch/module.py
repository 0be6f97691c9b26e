"""What the modules share: parameters, a method at work on them, and what a state dictionary holds of both."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from lshexp import registry
from lshexp.arrays import CSR, FloatArray, Inputs
from lshexp.errors import ConfigError
from lshexp.methods.base import Batch, Method, Selector, Step
from lshexp.nn.gemm import Gemm
from lshexp.nn.layer import Pairs
from lshexp.nn.threads import most_threads, using_threads
from lshexp.torch.layer import SharedLayer
from lshexp.work import PHASES, PREDICT, Work

_SEEDS = 2**31 - 1
Built = TypeVar("Built")


class SelectingModule(torch.nn.Module):  # type: ignore[misc]
    """Weights [nodes, fan_in] and bias [nodes], and a method that selects nodes of them.

    Its state dictionary holds, beside the parameters, `hash_seed`, `examples_seen`, and what the method has
    learned as `selection.NAME`. Without these, weights alone can be loaded with `strict=False`.
    """

    def __init__(
        self,
        fan_in: int,
        nodes: int,
        bias: bool,
        method: str,
        method_options: Mapping[str, Any] | None,
        sparse_grad: bool,
        seed: int | None,
        threads: int | None,
    ) -> None:
        super().__init__()
        self.sparse_grad = sparse_grad
        self.threads = min(threads or torch.get_num_threads(), most_threads())
        self.method: Method = checked(lambda: registry.methods.build(method, dict(method_options or {})))
        self.weight = torch.nn.Parameter(torch.empty(nodes, fan_in, dtype=torch.float32, device="cpu"))
        self.register_parameter(
            "bias",
            torch.nn.Parameter(torch.empty(nodes, dtype=torch.float32, device="cpu")) if bias else None,
        )
        if self.method.storage:
            raise ValueError(f"'{method}' has no full matrix of weights, as a module of PyTorch does")
        if self.method.scans_sparse_inputs:
            raise ValueError("where_sparse: scan stores weights by input, PyTorch by node; leave it out")
        self.reset_parameters()
        self.layer = SharedLayer(*_arrays(self.weight, self.bias), self.threads)
        self._start(int(torch.randint(_SEEDS, ())) if seed is None else seed)

    def reset_parameters(self) -> None:
        """Draw weights and bias as `torch.nn.Linear` does."""
        torch.nn.Linear.reset_parameters(self)

    def refresh(self) -> None:
        """Bring the hash tables up to date with the weights now, instead of at the next occasion.

        In training they are brought up to date as the method's options say (`rehash_every`), and when
        evaluation begins; so this is for weights that something else than an optimiser has changed.
        """
        with self._ready():
            self._refresh()

    @property
    def mults(self) -> int:
        """Multiplications so far: selecting, forward, backward and keeping tables, not the optimiser's."""
        return sum((self.layer.work.tally(phase) for phase in (*PHASES, PREDICT)), Work(0, 0, 0)).mults

    @property
    def notes(self) -> dict[str, int]:
        """Counters of fallbacks and caps of the method, by name."""
        return self._selector().notes()

    @abstractmethod
    def _build(self, seed: int) -> None:
        """Put the method to work, with draws of this seed."""

    @abstractmethod
    def _selector(self) -> Selector:
        """The method at work."""

    def _start(self, seed: int) -> None:
        self.seed = seed
        self._seen = 0  # examples in training; draws depend on it
        self._steps: list[Step] = []  # gradients of which the method has not yet been told
        self._hashed_at: int | None = None  # version of the weights that the tables are of
        checked(lambda: self._build(seed))

    def _next_batch(self, examples: int, training: bool) -> Batch:
        """The examples of the next selection, of which the method is first told what has changed since.

        That is the steps since the last batch or, before an evaluation, that weights are others. Use within
        `_ready`.
        """
        if training:
            for step in self._steps:
                self._selector().after_update(step)
            self._steps.clear()
            self._hashed_at = None
        elif self._hashed_at != self.weight._version:
            self._refresh()
        batch = Batch(np.arange(self._seen, self._seen + examples), 0, training)
        self._seen += examples * training
        return batch

    def _gradients(
        self, rows: FloatArray, inputs: Inputs, active: CSR, deltas: FloatArray, token: object, needed: Any
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """Gradients at input, weight and bias from those at the active pairs; None where not needed."""
        layer = self.layer
        live = deltas != 0  # NaN is: a diverged network must not look healthy
        active, deltas = active.where(live), deltas[live]
        pairs = Pairs(active, layer.group(active, "backward"))
        at_input = torch.from_numpy(layer.input_gradient(rows, pairs, deltas)) if needed[0] else None
        if not (needed[1] or needed[2]):
            return at_input, None, None
        at_weight, at_bias = layer.parameter_gradients(inputs, pairs, deltas, self.sparse_grad)
        self._steps.append(Step(pairs.by_node, deltas, token))
        return at_input, at_weight if needed[1] else None, at_bias if needed[2] else None

    def _refresh(self) -> None:
        self._selector().refresh()
        self._hashed_at = self.weight._version

    def _rows(self, x: Tensor) -> Tensor:
        """A batch as rows [B, D]. Raises RuntimeError or TypeError for what cannot be computed with."""
        if torch.is_autocast_enabled("cpu"):
            x = x.float()
        for what, tensor in (("the input", x), ("the weight", self.weight)):
            if tensor.device.type != "cpu":
                raise RuntimeError(
                    f"{type(self).__name__} computes on the processor alone, and {what} is on "
                    f"'{tensor.device}'; move it with .cpu()"
                )
            if tensor.dtype != torch.float32:
                raise TypeError(
                    f"{type(self).__name__} computes in float32, and {what} is {tensor.dtype}; "
                    "convert it with .float()"
                )
        if x.dim() == 0 or x.shape[-1] != self.layer.fan_in:
            raise RuntimeError(f"the input has shape {tuple(x.shape)}; [..., {self.layer.fan_in}] is wanted")
        return x.reshape(-1, self.layer.fan_in).contiguous()

    def _scores_of_all(self, rows: Tensor) -> Tensor:
        """Pre-activations of every node, by PyTorch."""
        with torch.autocast("cpu", enabled=False):
            return torch.nn.functional.linear(rows, self.weight, self.bias)

    @contextmanager
    def _ready(self, weight: Tensor | None = None, bias: Tensor | None = None) -> Iterator[None]:
        """Threads, BLAS, and the layer in the memory of the parameters as they are at this moment.

        In a backward pass they are those of the forward pass, which need not be the module's: see
        `torch.func.functional_call`.
        """
        if weight is None:
            weight, bias = self.weight, self.bias
        with using_threads(self.threads), Gemm(self.threads) as gemm, torch.no_grad():
            self.layer.gemm = gemm
            weights, biases = _arrays(weight, bias)
            moved = weights.ctypes.data != self.layer.weights.ctypes.data
            if moved or (biases is not None and biases.ctypes.data != self.layer.bias.ctypes.data):
                self.layer.share(weights, biases)
            yield

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[f"{prefix}hash_seed"] = torch.tensor(self.seed)
        destination[f"{prefix}examples_seen"] = torch.tensor(self._seen)
        for name, array in self._selector().state().items():
            wide = array.astype(np.int64) if array.dtype.kind == "u" else array.copy()
            destination[f"{prefix}selection.{name}"] = torch.from_numpy(wide)

    def _load_from_state_dict(
        self, state: Mapping[str, Any], prefix: str, metadata: Any, strict: bool,
        missing: list[str], unexpected: list[str], errors: list[str],
    ) -> None:  # fmt: skip
        """Load weights, draw the hash functions again from their seed, and fill the tables."""
        ours = {
            name.removeprefix(prefix): tensor
            for name, tensor in state.items()
            if name.startswith((f"{prefix}hash_seed", f"{prefix}examples_seen", f"{prefix}selection."))
        }
        rest = {name: tensor for name, tensor in state.items() if name.removeprefix(prefix) not in ours}
        super()._load_from_state_dict(rest, prefix, metadata, strict, missing, unexpected, errors)
        lost = [name for name in ("hash_seed", "examples_seen") if name not in ours]
        missing += [prefix + name for name in lost]
        if errors or lost:
            self.refresh()
            return
        self._start(int(ours["hash_seed"]))
        self._seen = int(ours["examples_seen"])
        with self._ready():
            try:
                self._selector().restore(self._as_it_was(ours))
            except (KeyError, ValueError) as error:
                errors.append(f"{prefix}selection: {error}; it is of another method or of other options")

    def _as_it_was(self, ours: Mapping[str, Tensor]) -> dict[str, Any]:
        """The method's arrays, of the types they had when they were saved."""
        known = self._selector().state()
        found = {}
        for name, tensor in ours.items():
            array, name = tensor.numpy(), name.removeprefix("selection.")
            unsigned = name in known and known[name].dtype.kind == "u"
            found[name] = array.astype(known[name].dtype) if unsigned else array
        return found


def _arrays(weight: Tensor, bias: Tensor | None) -> tuple[FloatArray, FloatArray | None]:
    """Parameters as arrays in the same memory."""
    return weight.detach().numpy(), None if bias is None else bias.detach().numpy()


def checked(build: Callable[[], Built]) -> Built:
    """What `build` returns; a wrong option is a ValueError."""
    try:
        return build()
    except ConfigError as error:
        raise ValueError(str(error)) from None
