"""How each layer of a network is stored and computed, decided in one place before any is built.

| input | nodes    | weights  | computed by                                                        |
|-------|----------|----------|--------------------------------------------------------------------|
| rows  | all      | by node  | BLAS, in fixed blocks                                              |
| rows  | selected | by node  | kernels over the batch grouped by node, four examples a weight row |
| csr   | all      | by input | all scores as whole rows read in order; whole rows are stepped     |
| csr   | selected | by node  | kernels over the batch grouped by node, stored inputs only         |
| csr   | selected | by input | all scores as whole rows read in order; the rest at active nodes   |
| bsr   | selected | in tiles | whole blocks of nodes and inputs, a contiguous tile for each pair  |
| rows  | all      | kept     | kernels over the few weights there are, for all examples at once   |
| rows  | all      | factors  | BLAS, one thin matrix after the other                              |
| rows  | all      | rounded  | BLAS, on weights that are rounded after each step                  |
| rows  | all      | hashed   | BLAS, on rows of weights that are looked up for each product anew  |

Methods say what they would like (`Method.scans_sparse_inputs`); layers and methods read what was decided.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from lshexp import registry
from lshexp.errors import ConfigError, Problem
from lshexp.methods.base import Factors, Hashed, Kept, Method, Rounded, Storage, wanted_nodes
from lshexp.spec import UNIFORM, RunSpec, Update

InputForm = Literal["rows", "csr", "rows or csr", "bsr"]

# Up to this share of non-zero inputs a layer reads them as a CSR. A stored input costs an index and a
# scattered load where a dense row is read in order, so it saves time only where most of the row is skipped.
SPARSE_UP_TO = 0.125
# With skips a layer's input grows from layer to layer; up to this share a CSR still saves multiplications, if
# not time.
SPARSE_WITH_SKIPS_UP_TO = 0.5
# Beyond so many nodes, those that are active in a batch are listed: passing over all the others, for every
# kernel of a step, would take longer than computing the few.
LISTED_BEYOND = 2**16
# Weights of so many bytes do not stay in cache between the examples of a batch.
BEYOND_CACHE = 2**24


@dataclass(frozen=True)
class LayerPlan:
    """Decisions about one layer.

    `input` is the form in which the layer reads its input in training: with `rows or csr`, a CSR in those
    batches of which at most `SPARSE_UP_TO` of the entries are not zero. After a layer all of whose nodes are
    active, as with dropout at test, it is rows whatever the plan says.
    """

    fan_in: int
    nodes: int
    input: InputForm
    selected: bool  # only some nodes are active
    scan: bool  # to select, every node is computed exactly from the few inputs that are not zero
    by_input: bool  # weights are stored by input instead of by node
    gradient_by_node: bool  # a CSR input's gradient is formed node by node: weights do not fit the cache
    update: Update
    linear: bool  # the optimiser's steps are w -= lr * gradient
    listed: bool  # active nodes are listed, so that no step costs anything for each node there is
    first: bool  # the network's first layer, which passes no gradient on
    storage: Storage | None = None  # what there is in place of a full matrix; None: the matrix
    block: int = 1  # nodes that are stored side by side, chosen and computed together

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the array of a layer's parameters, `Layer.stored`."""
        own = self.nodes, self.fan_in
        return self.storage.shape(*own) if self.storage else own

    @property
    def kernels(self) -> tuple[str, ...]:
        """Kernels of forward pass, input gradient and update, in this order; `blas` is a matrix product."""
        if self.update == "hogwild":
            return ("hogwild_round",)
        if self.block > 1:
            return "forward_blocks", "update_blocks"
        if isinstance(self.storage, Factors):
            return "blas", "step_dense"
        if isinstance(self.storage, Rounded):
            return "blas", "step_dense", f"round_to_{self.storage.to}"
        if isinstance(self.storage, Hashed):
            return "unfold_hashed", "blas", "fold_hashed", "step_dense"
        if isinstance(self.storage, Kept):
            gradient = () if self.first else ("input_gradient_kept",)
            return ("forward_kept", *gradient, "weight_gradient_kept", "step_dense")
        forms = {"rows": self._for_rows(), "csr": self._for_csr()}
        wanted = [form for name, form in forms.items() if name in self.input.split(" or ")]
        return tuple(dict.fromkeys(kernel for form in wanted for kernel in form if kernel))

    def _for_rows(self) -> tuple[str, ...]:
        if not self.selected:
            return "blas", "step_dense"
        return "forward_rows", "" if self.first else "input_gradient_rows", "update_rows"

    def _for_csr(self) -> tuple[str, ...]:
        if self.by_input:
            update = "descend_by_input" if self.linear else "update_csr"
            if not self.selected:
                update = "update_by_input"
            return "scan_csr", "" if self.first else "input_gradient_by_input", update
        gradient = "input_products" if self.gradient_by_node else "input_gradient_csr"
        return "forward_csr", "" if self.first else gradient, "update_csr"

    def __str__(self) -> str:
        """One line: `csr 1000 -> 1000 by input: scan_csr input_gradient_by_input update_csr`."""
        stored = "by input" if self.by_input else "by node"
        if self.storage:
            stored = self.storage.words(self.nodes, self.fan_in)
        if self.block > 1:
            stored = f"in blocks of {self.block}"
        return f"{self.input} {self.fan_in} -> {self.nodes} {stored}: {' '.join(self.kernels)}"


def plan_layers(
    spec: RunSpec, method: Method, widths: Sequence[int], sparse_examples: bool = False
) -> list[LayerPlan]:
    """Return the plan of each layer of a network with these widths, from features to classes.

    `sparse_examples`: the dataset's examples come as a CSR, whatever `input` says. Raises ConfigError when a
    method is asked for what it cannot do: for hidden layers or outputs that it is not for, or at its
    `where_sparse`, for what no layer of this network can do.
    """
    output = output_method(spec)
    _require_places(spec, method, output)
    _require_falling_share(spec, method)
    plans = []
    last = len(widths) - 2
    for index in range(last + 1):
        fan_in, nodes = widths[index], widths[index + 1]
        if spec.block > 1 and method.uses_active_pct:
            plans.append(_block_plan(spec, method, fan_in, nodes, index, last, sparse_examples))
            continue
        form = _input_form(spec, method, index, fan_in, sparse_examples)
        scan = index < last and form == "csr" and method.scans_sparse_inputs
        whole = index < last and form == "csr" and not method.uses_active_pct
        plans.append(
            LayerPlan(
                fan_in=fan_in,
                nodes=nodes,
                input=form,
                selected=(method if index < last else output).uses_active_pct,
                scan=scan,
                by_input=(scan or whole)
                and spec.update == "batch",  # lock-free threads read and write by node
                gradient_by_node=4 * fan_in * nodes >= BEYOND_CACHE,
                update=spec.update,
                linear=spec.optimizer == "sgd",
                listed=(method if index < last else output).uses_active_pct and nodes > LISTED_BEYOND,
                first=index == 0,
                storage=method.storage if index < last else None,
            )
        )
    if method.scans_sparse_inputs and not any(plan.scan for plan in plans):
        message = (
            f"no hidden layer of this network has sparse input: that takes active_pct of at most "
            f"{100 * SPARSE_UP_TO:g} and two hidden layers, or input: lists"
        )
        raise ConfigError([Problem((spec.method, "where_sparse"), message)])
    return plans


def _block_plan(
    spec: RunSpec, method: Method, fan_in: int, nodes: int, index: int, last: int, sparse_examples: bool
) -> LayerPlan:
    """The plan of a layer whose nodes are chosen in blocks; the output computes all of its own."""
    sparse = index > 0 or sparse_examples or spec.input == "lists"
    return LayerPlan(
        fan_in=fan_in,
        nodes=nodes,
        input="bsr",
        selected=index < last,
        scan=index < last and sparse and method.scans_sparse_inputs,
        by_input=False,
        gradient_by_node=False,
        listed=False,
        update=spec.update,
        linear=spec.optimizer == "sgd",
        first=index == 0,
        block=spec.block,
    )


def require_labels(spec: RunSpec, multilabel: bool) -> None:
    """Raise ConfigError, placed at `dataset`, when the network cannot learn the labels of its examples."""
    if multilabel and spec.update == "hogwild":
        message = (
            f"'{spec.dataset}' has any number of labels an example, and lock-free threads learn one; "
            "give it with update: batch"
        )
        raise ConfigError([Problem(("dataset",), message)])


def small_twins(plans: Sequence[LayerPlan], width: int) -> list[list[LayerPlan]]:
    """Plans of networks at most `width` wide whose kernels together are all that these plans may call.

    A layer whose input form is open comes once in each form, and one whose gradient is formed node by node
    also with the kernel that takes over where the terms of a batch would fill too much memory.
    """
    both: list[InputForm] = ["rows", "csr"]
    forms = [both if plan.input == "rows or csr" else [plan.input] for plan in plans]
    variants = max(len(form) for form in forms)
    twins = []
    for by_node in {any(plan.gradient_by_node for plan in plans), False}:
        for variant in range(variants):
            twins.append(
                [
                    replace(
                        plan,
                        fan_in=plan.fan_in if plan.first else min(plan.fan_in, width),
                        nodes=min(plan.nodes, width),
                        input=form[min(variant, len(form) - 1)],
                        gradient_by_node=plan.gradient_by_node and by_node,
                    )
                    for index, (plan, form) in enumerate(zip(plans, forms, strict=True))
                ]
            )
    return twins


def output_method(spec: RunSpec) -> Method:
    """The method that chooses classes. Raises ConfigError at `output`."""
    try:
        return registry.methods.build(spec.output_method, spec.output_options)
    except ConfigError as error:
        at = [Problem(("output", *problem.where), problem.message) for problem in error.problems]
        raise ConfigError(at) from None


def tail_method(spec: RunSpec) -> Method | None:
    """The method that draws the output's tail; None where it has none, or a uniform one.

    Raises ConfigError at `output.tail`.
    """
    if spec.tail == UNIFORM or not spec.tail_pct:
        return None
    known = [UNIFORM, *(name for name, method in registry.methods.discover().items() if method.draws)]
    if spec.tail not in known:
        message = f"'{spec.tail}' draws no classes; the tail may be {', '.join(known)}"
        raise ConfigError([Problem(("output", "tail"), message)])
    return registry.methods.build(spec.tail)


def _require_places(spec: RunSpec, method: Method, output: Method) -> None:
    """Raise ConfigError unless the methods are for the places they are given."""
    if not method.for_hidden and spec.hidden:
        message = f"'{method.name}' is for outputs alone; write output: {{method: {method.name}}}"
        raise ConfigError([Problem(("method",), message)])
    if not output.for_output:
        message = f"'{output.name}' is for hidden layers alone; it cannot choose classes"
        raise ConfigError([Problem(("output", "method"), message)])
    if method.gated and (spec.block > 1 or spec.update == "hogwild"):
        place = "block" if spec.block > 1 else "update"
        message = f"'{method.name}' multiplies each activation by a gate that learns; that takes "
        message += "single nodes" if spec.block > 1 else "update: batch"
        raise ConfigError([Problem((place,), message)])
    if method.storage and spec.update == "hogwild":
        message = f"'{method.name}' has no full matrix of weights; that takes update: batch"
        raise ConfigError([Problem(("update",), message)])
    if output.scans_sparse_inputs:
        message = "an output's weights are stored by class; leave where_sparse out"
        raise ConfigError([Problem(("output", "where_sparse"), message)])
    if spec.block > 1 and output.uses_active_pct:
        message = "give it with an output that computes all classes; they are not chosen in blocks"
        raise ConfigError([Problem(("block",), message)])
    tail_method(spec)
    if output.draws and spec.tail_pct:
        message = f"'{output.name}' draws its classes already; only classes that are looked up take a tail"
        raise ConfigError([Problem(("output", "tail_pct"), message)])


def _require_falling_share(spec: RunSpec, method: Method) -> None:
    """Raise ConfigError unless `active_from` and `active_until` say what can be done."""
    first, until, key = spec.active_from, spec.active_until, "active_from"
    if first is None and until is None:
        return
    if first is None:
        key, message = "active_until", "give it with active_from, the share of the first epoch"
    elif until is None:
        message = "give it with active_until, the epoch from which active_pct holds"
    elif first <= spec.active_pct:
        message = f"{first:g} is not above active_pct, {spec.active_pct:g}, to which it is to fall"
    elif until > spec.epochs:
        key = "active_until"
        message = f"{until} is beyond the last epoch, {spec.epochs}; active_pct would not be reached"
    elif method.fixed_share:
        message = f"the share of '{method.name}' cannot fall: {method.fixed_share}"
    else:
        return
    raise ConfigError([Problem((key,), message)])


def dense_reads_stored(spec: RunSpec, sparse_examples: bool) -> bool:
    """Whether the dense network of a run reads, of each example, the stored inputs alone."""
    return sparse_examples and bool(spec.hidden) and spec.update == "batch"


def _input_form(spec: RunSpec, method: Method, index: int, fan_in: int, sparse_examples: bool) -> InputForm:
    if method.storage:
        return "rows"
    if not method.uses_active_pct:
        return "csr" if index == 0 and dense_reads_stored(spec, sparse_examples) else "rows"
    if index == 0:
        return "csr" if sparse_examples or spec.input == "lists" else "rows"
    if spec.skip:
        return "csr" if index * spec.active_pct <= 100 * SPARSE_WITH_SKIPS_UP_TO else "rows"
    few = wanted_nodes(spec.active_pct / 100, fan_in) <= SPARSE_UP_TO * fan_in
    return "csr" if few else "rows or csr"
