"""Layers for PyTorch: their gradients are those of masked dense layers, and they behave as modules do."""

from __future__ import annotations

import copy
import io
import itertools
import pickle
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("torch")
import torch
from safetensors.torch import load_file, save_file
from torch.autograd import gradcheck
from torch.nn import Linear, ReLU, Sequential
from torch.nn.functional import cross_entropy

from lshexp.torch import LSHLinear, LSHSoftmaxLoss

FEATURES, NODES, EXAMPLES = 40, 60, 16


def examples(sparse: bool = False) -> torch.Tensor:
    random = torch.Generator().manual_seed(3)
    x = torch.randn(EXAMPLES, FEATURES, generator=random)
    if sparse:
        x[torch.rand(x.shape, generator=random) < 0.95] = 0
    return x


def layer(**options) -> LSHLinear:
    torch.manual_seed(7)
    return LSHLinear(FEATURES, NODES, **{"active_pct": 20.0, "seed": 1, **options})


def softmax(**options) -> LSHSoftmaxLoss:
    torch.manual_seed(7)
    return LSHSoftmaxLoss(FEATURES, 100, **{"active_pct": 5.0, "tail_pct": 5.0, "seed": 1, **options})


def twin(parameter: torch.Tensor | None) -> torch.Tensor | None:
    return None if parameter is None else parameter.detach().double().requires_grad_()


def context(out: torch.Tensor, name: str):
    """The function of ours that has made a tensor; it has an attribute of this name."""
    function = out.grad_fn
    while not hasattr(function, name):
        function = function.next_functions[0][0]
    return function


def dense(gradient: torch.Tensor) -> torch.Tensor:
    return (gradient.to_dense() if gradient.is_sparse else gradient).double()


@pytest.mark.parametrize("method", ["lsh", "winner_take_all", "dropout", "adaptive_dropout"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("sparse_grad", [False, True])
@pytest.mark.parametrize("sparse_input", [False, True])
def test_values_and_gradients_are_those_of_a_masked_dense_layer(method, bias, sparse_grad, sparse_input):
    module = layer(bias=bias, sparse_grad=sparse_grad, method=method)
    x = examples(sparse_input).requires_grad_()
    out = module(x)
    out.backward(gradient := torch.randn(out.shape, generator=torch.Generator().manual_seed(5)))
    *_, selection = context(out, "chosen").chosen
    active = torch.from_numpy(selection.active.with_data(np.ones_like(selection.active.data)).to_dense())
    assert 0 < active.mean() < 0.5
    scale = 5.0 if method == "dropout" else 1.0
    reference = [twin(x), twin(module.weight), twin(module.bias)]
    expected = scale * active * torch.nn.functional.linear(*reference)
    expected.backward(gradient.double())
    torch.testing.assert_close(out.double(), expected, atol=1e-5, rtol=1e-5)
    for found, other in zip([x, module.weight, module.bias], reference, strict=True):
        if found is not None:
            assert found.grad.is_sparse == (sparse_grad and found is not x)
            torch.testing.assert_close(dense(found.grad), other.grad, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("sparse_grad", [False, True])
def test_nodes_that_are_listed_have_the_same_gradients(monkeypatch, sparse_grad):
    found = []
    for beyond in (2**16, 10):
        monkeypatch.setattr("lshexp.torch.layer.LISTED_BEYOND", beyond)
        module = layer(sparse_grad=sparse_grad)
        module(examples()).square().sum().backward()
        found.append([dense(module.weight.grad), dense(module.bias.grad)])
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=0)


def test_gradcheck_where_all_nodes_are_selected():
    module = layer(active_pct=100.0, method="winner_take_all", method_options={"over": "example"})

    def out(x, weight, bias):
        parameters = {"weight": weight, "bias": bias}
        return torch.func.functional_call(module, parameters, (x,))

    inputs = (examples()[:3].requires_grad_(), module.weight, module.bias)
    # linear in each argument, so that a wide step has no error but that of float32
    assert gradcheck(out, inputs, eps=1.0, atol=1e-3, rtol=1e-3, fast_mode=True)


def test_gradients_are_those_of_the_parameters_that_were_used():
    module, x = layer(), examples().requires_grad_()
    other = {"weight": 3 * module.weight.detach(), "bias": module.bias.detach().clone()}
    for parameter in other.values():
        parameter.requires_grad_()
    out = torch.func.functional_call(module, other, (x,))
    out.sum().backward()
    active = context(out, "chosen").chosen[2].active
    mask = torch.from_numpy(active.with_data(np.ones_like(active.data)).to_dense())
    torch.testing.assert_close(x.grad, mask @ other["weight"].detach())
    assert module.weight.grad is None and other["weight"].grad is not None


@pytest.mark.parametrize("method", ["lsh", "winner_take_all", "dropout"])
@pytest.mark.parametrize("through", ["loss", "output", "both"])
def test_the_softmax_is_that_over_the_computed_classes(method, through):
    module = softmax(method=method, tail_pct=0.0, correction="none")
    x, target = examples().requires_grad_(), torch.arange(EXAMPLES) * 6
    output, loss = module(x, target)
    weights = torch.linspace(-1, 1, EXAMPLES)
    parts = {"loss": loss, "output": (weights * output).sum()}
    (sum(parts.values()) if through == "both" else parts[through]).backward()
    _, inputs, step = context(output, "done").done
    assert len(inputs) == EXAMPLES
    mask = torch.from_numpy(step.pairs.by_example.with_data(np.ones_like(step.deltas)).to_dense()) > 0
    assert 1 < mask.sum(1).float().mean() < 20 and mask[torch.arange(EXAMPLES), target].all()
    reference = [twin(x), twin(module.weight), twin(module.bias)]
    scores = torch.nn.functional.linear(*reference).masked_fill(~mask, -torch.inf)
    expected = scores.log_softmax(1).gather(1, target[:, None]).squeeze(1)
    torch.testing.assert_close(output.double(), expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(loss.double(), -expected.mean(), atol=1e-5, rtol=1e-5)
    parts = {"loss": -expected.mean(), "output": (weights * expected).sum()}
    (sum(parts.values()) if through == "both" else parts[through]).backward()
    for found, other in zip([x, module.weight, module.bias], reference, strict=True):
        torch.testing.assert_close(found.grad.double(), other.grad, atol=1e-5, rtol=1e-3)


def test_with_a_tail_the_loss_estimates_that_over_all_classes():
    module = softmax(active_pct=2.0, tail_pct=30.0)
    x, target = examples(), torch.arange(EXAMPLES) * 6
    sampled = torch.stack([module(x, target).output.detach() for _ in range(200)]).exp().reciprocal().mean(0)
    exact = module.eval()(x, target).output.detach().exp().reciprocal()
    # 1 / probability is linear in the sum over the classes, which is what the tail estimates without bias
    torch.testing.assert_close(sampled, exact, rtol=0.05, atol=0.0)


def test_the_softmax_in_evaluation_is_exact_and_predicts_what_it_finds():
    module = softmax(active_pct=20.0).eval()
    x, target = examples(), torch.arange(EXAMPLES)
    output, loss = module(x, target)
    log_prob = module.log_prob(x)
    assert log_prob.shape == (EXAMPLES, 100)
    torch.testing.assert_close(log_prob.exp().sum(1), torch.ones(EXAMPLES))
    torch.testing.assert_close(output, log_prob[torch.arange(EXAMPLES), target])
    torch.testing.assert_close(loss, cross_entropy(log_prob, target))
    assert (module.predict(x) == log_prob.argmax(1)).float().mean() >= 0.9
    alone, loss_alone = module(x[0], target[0])
    torch.testing.assert_close(alone, output[0])
    torch.testing.assert_close(loss_alone, -output[0])


def test_an_example_that_finds_no_class_is_predicted_from_all():
    options = {"preset": "paper", "K": 12, "L": 1, "probes": 1}
    module = softmax(method_options=options).eval()
    x = examples()
    found = module.predict(x)
    assert found.shape == (EXAMPLES,) and found.dtype == torch.int64
    assert (found == module.log_prob(x).argmax(1)).float().mean() > 0.5  # most find none


@pytest.mark.parametrize("tail", ["uniform", "popularity"])
def test_classes_may_be_drawn_by_their_counts(tail):
    counts = np.arange(100)
    module = softmax(tail=tail, class_counts=counts if tail == "popularity" else None)
    assert torch.isfinite(module(examples(), torch.arange(EXAMPLES)).loss)
    with pytest.raises(ValueError, match="class_counts"):
        softmax(method="popularity", tail_pct=0.0)
    with pytest.raises(ValueError, match=r"class_counts has shape \(3,\)"):
        softmax(class_counts=[1, 2, 3])


OPTIMISERS = {
    "sgd": (False, lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.5)),
    "adam": (False, lambda p: torch.optim.Adam(p, lr=0.01, fused=True)),
    "adagrad": (False, lambda p: torch.optim.Adagrad(p, lr=0.05)),
    "sparse sgd": (True, lambda p: torch.optim.SGD(p, lr=0.3)),
    "sparse adagrad": (True, lambda p: torch.optim.Adagrad(p, lr=0.05)),
    "sparse adam": (True, lambda p: torch.optim.SparseAdam(list(p), lr=0.01)),
}


@pytest.mark.parametrize("name", OPTIMISERS)
def test_it_learns_with_the_optimisers_of_torch(name):
    sparse, make = OPTIMISERS[name]
    torch.manual_seed(2)
    options = {"active_pct": 25.0, "sparse_grad": sparse, "method_options": {"rehash_every": 32}}
    body = Sequential(LSHLinear(20, 64, **options), ReLU(), LSHLinear(64, 64, **options), ReLU())
    head = LSHSoftmaxLoss(64, 32, active_pct=25, tail_pct=25, sparse_grad=sparse)
    network = torch.nn.ModuleList([body, head])
    random = np.random.default_rng(0)
    centres = random.standard_normal((32, 20))
    y = random.integers(0, 32, 640)
    x = torch.from_numpy((2 * centres[y] + random.standard_normal((640, 20))).astype(np.float32))
    y = torch.from_numpy(y)
    optimiser = make(network.parameters())
    for _, first in itertools.product(range(6), range(0, 640, 32)):
        optimiser.zero_grad()
        head(body(x[first : first + 32]), y[first : first + 32]).loss.backward()
        optimiser.step()
    network.eval()
    with torch.no_grad():
        assert (head.predict(body(x)) == y).float().mean() > 0.8
    assert body[0].notes["rebuilds"] > 100
    assert body[0].mults > 0


def test_gradients_add_up_and_may_be_asked_for_in_part():
    module, x = layer(), examples()
    module(x).sum().backward()
    once = module.weight.grad.clone()
    kept = module.weight.grad
    module(x).sum().backward()
    assert module.weight.grad is kept
    torch.testing.assert_close(kept, 2 * once)
    module.weight.requires_grad_(False)
    module.bias.grad = None
    module(x).sum().backward()
    assert module.bias.grad is not None
    torch.testing.assert_close(kept, 2 * once)
    with torch.no_grad():
        assert not module(x).requires_grad


def test_memory_of_a_gradient_is_used_again_only_when_nobody_holds_it():
    module, x = layer(), examples()
    module(x).sum().backward()
    held = module.weight.grad
    before = held.clone()
    module.weight.grad = None
    module(2 * x).square().sum().backward()
    torch.testing.assert_close(held, before)
    address = module.weight.grad.data_ptr()
    assert address != held.data_ptr()
    module.weight.grad = None
    module(x).sum().backward()
    assert module.weight.grad.data_ptr() == address  # no longer held, so that it is taken
    torch.testing.assert_close(module.weight.grad, before)


def test_parameters_share_their_memory_with_the_layer():
    module = layer().eval()
    assert module.layer.weights.ctypes.data == module.weight.data_ptr()
    x = examples()
    before = module(x)
    with torch.no_grad():
        module.weight.mul_(2)
        module.bias.mul_(2)
    torch.testing.assert_close(module(x), 2 * before)
    module.weight.data = module.weight.data.clone()  # elsewhere
    torch.testing.assert_close(module(x), 2 * before)
    assert module.layer.weights.ctypes.data == module.weight.data_ptr()


def test_weights_that_change_between_forward_and_backward_are_an_error():
    module = layer()
    out = module(examples())
    with torch.no_grad():
        module.weight.add_(1)
    with pytest.raises(RuntimeError, match="inplace operation"):
        out.sum().backward()


def trained() -> Sequential:
    torch.manual_seed(4)
    network = Sequential(LSHLinear(FEATURES, 200, active_pct=5, seed=9), ReLU(), Linear(200, 10))
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
    for _ in range(20):
        optimiser.zero_grad()
        cross_entropy(network(examples()), torch.arange(EXAMPLES) % 10).backward()
        optimiser.step()
    return network


def test_a_state_dictionary_holds_all_that_selecting_takes(tmp_path):
    network = trained().eval()
    out = network(examples())
    save_file(network.state_dict(), tmp_path / "network.safetensors")
    torch.save(network.state_dict(), tmp_path / "network.pt")
    for state in (load_file(tmp_path / "network.safetensors"), torch.load(tmp_path / "network.pt")):
        assert {"0.weight", "0.hash_seed", "0.examples_seen"} <= set(state)
        other = Sequential(LSHLinear(FEATURES, 200, active_pct=5, seed=1), ReLU(), Linear(200, 10)).eval()
        assert not torch.equal(other(examples()), out)
        assert str(other.load_state_dict(state)) == "<All keys matched successfully>"
        torch.testing.assert_close(other(examples()), out, rtol=0, atol=0)
        assert other[0].seed == 9
        other.load_state_dict(state, assign=True)
        torch.testing.assert_close(other(examples()), out, rtol=0, atol=0)


def test_weights_of_a_dense_layer_can_be_loaded_and_tables_are_filled_for_them():
    dense_layer, module = Linear(FEATURES, NODES), layer().eval()
    with pytest.raises(RuntimeError, match="hash_seed"):
        module.load_state_dict(dense_layer.state_dict())
    module.load_state_dict(dense_layer.state_dict(), strict=False)
    out, expected = module(examples()), dense_layer(examples())
    active = out != 0
    torch.testing.assert_close(out[active], expected[active])
    best = expected.topk(6, dim=1).indices
    assert active.gather(1, best).float().mean() > 0.9


def test_a_state_of_other_options_is_refused():
    state = layer(method_options={"L": 10}).state_dict()
    with pytest.raises(RuntimeError, match=r"selection: .* another method or of other options"):
        layer(method_options={"L": 20}).load_state_dict(state)


@pytest.mark.parametrize("how", ["deepcopy", "pickle", "torch"])
def test_copies_are_whole_and_stand_alone(how):
    network = trained().eval()
    out = network(examples())
    if how == "deepcopy":
        other = copy.deepcopy(network)
    elif how == "pickle":
        other = pickle.loads(pickle.dumps(network))
    else:
        file = io.BytesIO()
        torch.save(network, file)
        file.seek(0)
        other = torch.load(file, weights_only=False)
    torch.testing.assert_close(other(examples()), out, rtol=0, atol=0)
    with torch.no_grad():
        other[0].weight.zero_()
    torch.testing.assert_close(network(examples()), out, rtol=0, atol=0)


def test_the_same_seed_gives_the_same_bits_at_any_thread_count():
    outs = []
    for threads in (1, 2, 1):
        module = layer(threads=threads)
        optimiser = torch.optim.SGD(module.parameters(), lr=0.1)
        for _ in range(5):
            optimiser.zero_grad()
            module(examples()).relu().square().sum().backward()
            optimiser.step()
        outs.append(module.eval()(examples()))
    assert torch.equal(outs[0], outs[1]) and torch.equal(outs[0], outs[2])


def test_seeds_come_from_torch():
    seeds = []
    for _ in range(2):
        torch.manual_seed(11)
        seeds += [LSHLinear(4, 4, active_pct=50).seed, LSHLinear(4, 4, active_pct=50).seed]
    assert seeds[:2] == seeds[2:] and seeds[0] != seeds[1]


@pytest.mark.parametrize("shape", [(FEATURES,), (0, FEATURES), (2, 3, FEATURES)])
def test_leading_axes_are_those_of_the_input(shape):
    x = torch.randn(shape, requires_grad=True)
    out = layer()(x)
    assert out.shape == (*shape[:-1], NODES)
    out.sum().backward()
    assert x.grad.shape == shape


def test_autocast_leaves_the_layer_in_float32():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        between = Linear(FEATURES, FEATURES)(examples())
        assert between.dtype == torch.bfloat16
        assert layer()(between).dtype == torch.float32


def test_what_cannot_be_computed_is_said():
    module = layer()
    with pytest.raises(RuntimeError, match=r"processor alone, and the input is on 'meta'; move it with"):
        module(examples().to("meta"))
    with pytest.raises(RuntimeError, match=r"LSHSoftmaxLoss computes on the processor alone, and the weight"):
        softmax().to("meta")(examples(), torch.zeros(EXAMPLES).long())
    with pytest.raises(RuntimeError, match="target is on 'meta'"):
        softmax()(examples(), torch.zeros(EXAMPLES, device="meta").long())
    with pytest.raises(TypeError, match=r"the input is torch.float64; convert it with .float()"):
        module(examples().double())
    with pytest.raises(RuntimeError, match=r"shape \(16, 39\); \[..., 40\] is wanted"):
        module(examples()[:, 1:])
    with pytest.raises(ValueError, match="outside of 0 to 99"):
        softmax()(examples(), torch.full((EXAMPLES,), 100))
    with pytest.raises(TypeError, match="numbers of classes"):
        softmax()(examples(), torch.zeros(EXAMPLES))
    with pytest.raises(RuntimeError, match=r"shapes \(16, 40\) and \(3,\)"):
        softmax()(examples(), torch.zeros(3).long())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layer(active_pct=0), "active_pct is 0"),
        (lambda: softmax(active_pct=101), "active_pct"),
        (lambda: layer(method="lhs"), "did you mean 'lsh'"),
        (lambda: layer(method_options={"k": 3}), "k"),
        (lambda: layer(method="popularity"), "LSHSoftmaxLoss takes it"),
        (lambda: layer(method_options={"preset": "hybrid"}), "where_sparse: scan"),
        (lambda: layer(method="low_rank"), "no full matrix of weights"),
        (lambda: softmax(method="adaptive_dropout"), "cannot choose classes"),
        (lambda: softmax(tail="lsh"), "draws no classes"),
    ],
)
def test_wrong_options_are_value_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_without_torch_the_error_says_what_to_install():
    code = "import sys; sys.modules['torch'] = None; import lshexp; lshexp.torch"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "ImportError: lshexp.torch needs PyTorch" in done.stderr
    assert "pip install 'lshexp[torch]'" in done.stderr
