"""Energy models: prices by hand, linearity, refusal of bad options."""

import json

import pytest
from fake_runs import FakeSweep, fake_run, spec
from hypothesis import given
from hypothesis import strategies as st

from lshexp import registry
from lshexp.energy import rapl
from lshexp.energy.base import EnergyModel
from lshexp.energy.rapl import Meter, UnreadableError, find_domains, whole
from lshexp.errors import ConfigError
from lshexp.nn import trainer
from lshexp.runs.columns import RunRow
from lshexp.runs.record import Record
from lshexp.runs.sweep import run_sweep
from lshexp.spec import RunSpec
from lshexp.work import Work


def model(name: str, **options: object) -> EnergyModel:
    built = registry.energy_models.build(name, options)
    assert isinstance(built, EnergyModel)
    return built


def test_arithmetic_is_priced_as_in_the_table():
    assert model("horowitz45").joules(Work(mults=10**12, adds=0, bytes=0)) == pytest.approx(3.7)
    assert model("horowitz45").joules(Work(mults=0, adds=10**12, bytes=10**15)) == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("memory", "joules"), [("sram_8kb", 10), ("sram_32kb", 20), ("sram_1mb", 100), ("dram", 1300)]
)
def test_traffic_is_priced_by_the_64_bit_access(memory, joules):
    traffic = Work(mults=0, adds=0, bytes=8 * 10**12)
    assert model("horowitz45_mem", memory=memory).joules(traffic) == pytest.approx(joules)


def test_memory_model_adds_to_the_arithmetic_one():
    work = Work(mults=7, adds=5, bytes=16)
    extra = model("horowitz45_mem").joules(work) - model("horowitz45").joules(work)
    assert extra == pytest.approx(2 * 1300e-12)


@pytest.mark.parametrize(("mult", "joules"), [("int8", 0.2), ("shift8", 0.024), ("shift32", 0.13)])
def test_few_bits_are_priced_as_in_their_tables(mult, joules):
    assert model("narrow45", mult=mult).joules(Work(mults=10**12, adds=0, bytes=10**15)) == pytest.approx(
        joules
    )
    assert model("narrow45", mult=mult).joules(Work(mults=0, adds=10**12, bytes=0)) == pytest.approx(0.1)


@pytest.mark.parametrize("name", sorted(registry.energy_models.discover()))
@given(a=st.integers(0, 10**15), b=st.integers(0, 10**15), n=st.integers(0, 10**15))
def test_every_model_is_additive_and_free_for_no_work(name, a, b, n):
    price = model(name).joules
    assert price(Work(0, 0, 0)) == 0
    assert price(Work(a, b, n)) + price(Work(b, n, a)) == pytest.approx(price(Work(a + b, b + n, n + a)))


def test_bad_options_name_their_place():
    with pytest.raises(ConfigError, match=r"memory.*did you mean 'dram'"):
        registry.energy_models.build("horowitz45_mem", {"memory": "drm"}, ("energy",))
    with pytest.raises(ConfigError, match=r"mult_pj: -1\.0 must be >= 0"):
        registry.energy_models.build("horowitz45", {"mult_pj": -1.0})


SERVER = {
    "intel-rapl:0": "package-0",
    "intel-rapl:0:0": "core",
    "intel-rapl:0:1": "dram",
    "intel-rapl:1": "package-1",
    "intel-rapl:1:0": "dram",
    "intel-rapl:2": "psys",
    "intel-rapl-mmio:0": "package-0",
}
RANGE = 1_000_000


def tree(root, zones=SERVER, energy=1000):
    (root / "intel-rapl").mkdir(parents=True)  # the control type, which has no counter
    for zone, name in zones.items():
        (root / zone).mkdir()
        (root / zone / "name").write_text(f"{name}\n")
        (root / zone / "max_energy_range_uj").write_text(f"{RANGE}\n")
        (root / zone / "energy_uj").write_text(f"{energy}\n")
    return root


def put(root, zone, value):
    (root / zone / "energy_uj").write_text(f"{value}\n")


def test_all_domains_are_found_and_named_by_their_place(tmp_path):
    labels = "package-0 package-0/core package-0/dram package-1 package-1/dram psys mmio/package-0"
    assert {domain.label for domain in find_domains(tree(tmp_path / "a"))} == set(labels.split())


def test_a_meter_adds_up_what_was_used_while_it_ran(tmp_path):
    root = tree(tmp_path / "a")
    meter = Meter(root)
    for before, after in ((1000, 3000), (50_000, 50_500)):
        put(root, "intel-rapl:0", before)
        meter.start()
        put(root, "intel-rapl:0", after)
        meter.stop()
        meter.stop()
    assert meter.joules == {
        label: pytest.approx(0.0025 if label == "package-0" else 0) for label in meter.joules
    }
    assert meter.reason is None


@given(st.lists(st.integers(0, RANGE - 1), min_size=1, max_size=6), st.integers(0, RANGE - 1))
def test_a_counter_may_wrap_between_any_two_readings(tmp_path_factory, steps, start):
    root = tree(tmp_path_factory.mktemp("rapl"), {"intel-rapl:0": "package-0"}, start)
    meter = Meter(root)
    meter.start()
    now = start
    for step in steps:
        now = (now + step) % RANGE
        put(root, "intel-rapl:0", now)
        meter._read_at = float("-inf")  # as if the last reading were long ago
        meter.sample()
    meter.stop()
    assert meter.joules == {"package-0": pytest.approx(sum(steps) * 1e-6)}


def test_readings_between_are_as_rare_as_said(tmp_path, monkeypatch):
    root = tree(tmp_path / "a")
    meter = Meter(root)
    meter.start()
    calls = []
    monkeypatch.setattr(meter, "_advance", lambda: calls.append(1))
    for _ in range(100):
        meter.sample()
    assert not calls
    meter._read_at = float("-inf")
    meter.sample()
    assert calls == [1]


def test_nothing_is_added_twice():
    joules = {"package-0": 10.0, "package-0/core": 7.0, "package-0/dram": 2.0, "package-1": 1.0, "psys": 20.0}
    assert whole(joules) == 13.0
    assert whole(joules | {"mmio/package-0": 10.0}) == 13.0
    assert whole({"mmio/package-0": 10.0, "mmio/package-0/dram": 1.0, "psys": 3.0}) == 11.0
    assert (
        whole({"package-0": 1.0, "package-0 (intel-rapl:1)": 2.0, "package-0/dram (intel-rapl:1:0)": 4.0})
        == 7.0
    )
    assert whole({"psys": 3.0}) is None and whole({}) is None


def refused(self, *arguments, _open=rapl.Path.open):
    if self.name == "energy_uj":
        raise PermissionError(13, "Permission denied")
    return _open(self, *arguments)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda root: (root / "intel-rapl:0" / "energy_uj").write_text("many\n"), "holds no number"),
        (
            lambda root: (root / "intel-rapl:1:0" / "max_energy_range_uj").unlink(),
            "cannot be read: No such file",
        ),
        (lambda root: (root / "intel-rapl:1" / "energy_uj").write_bytes(b"\xff" * 1000), "holds no number"),
    ],
)
def test_damaged_counters_give_no_reading_and_a_reason(tmp_path, damage, reason):
    root = tree(tmp_path / "a")
    damage(root)
    meter = Meter(root)
    meter.start()
    meter.sample()
    meter.stop()
    assert meter.joules is None and reason in meter.reason


def test_counters_for_administrators_only_and_none_at_all(tmp_path, monkeypatch):
    (tmp_path / "bare" / "intel-rapl").mkdir(parents=True)
    for root in (tmp_path / "bare", tmp_path / "nowhere"):
        with pytest.raises(UnreadableError, match="has no RAPL counters; virtual machines"):
            find_domains(root)
    root = tree(tmp_path / "a")
    monkeypatch.setattr(rapl.Path, "open", refused)
    meter = Meter(root)
    assert meter.joules is None and "may not be read by this user; since Linux 5.10" in meter.reason


def test_a_counter_that_is_lost_on_the_way_leaves_no_reading(tmp_path):
    root = tree(tmp_path / "a")
    meter = Meter(root)
    meter.start()
    (root / "intel-rapl:1" / "energy_uj").unlink()
    meter.stop()
    assert meter.joules is None and "intel-rapl:1/energy_uj cannot be read" in meter.reason


def test_training_is_metered_and_evaluation_is_not(tmp_path, monkeypatch):
    root = tree(tmp_path / "a", {"intel-rapl:0": "package-0", "intel-rapl:0:0": "dram"})
    counter = {"value": 0}
    monkeypatch.setattr(trainer, "POWERCAP", root)
    train, test = trainer.Network.train_batch, trainer.predict_split

    def using(amount, original):
        def wrapped(*arguments):
            counter["value"] += amount
            put(root, "intel-rapl:0", counter["value"] % RANGE)
            return original(*arguments)

        return wrapped

    monkeypatch.setattr(trainer.Network, "train_batch", using(300_000, train))
    monkeypatch.setattr(trainer, "predict_split", using(77, test))
    run = RunSpec(
        dataset="rectangles",
        dataset_options={"train": 40, "test": 10},
        hidden=[4],
        epochs=2,
        batch=20,
        threads=1,
    )
    result = trainer.run(run)
    assert result.rapl_j == {"package-0": pytest.approx(4 * 0.3), "package-0/dram": 0.0}
    monkeypatch.setattr(trainer, "POWERCAP", tmp_path / "nowhere")
    assert trainer.run(run).rapl_j is None


def test_the_column_holds_readings_of_runs_that_were_alone():
    class Kept:
        result = fake_run(spec("dense"))
        timing_valid: bool | None = True

    for valid, readings, reading in (
        (True, {"package-0": 5.0, "package-0/dram": 1.0, "psys": 9.0}, 6.0),
        (False, {"package-0": 5.0}, None),
        (None, {"package-0": 5.0}, None),
        (True, {"psys": 9.0}, None),
        (True, None, None),
    ):
        Kept.timing_valid, Kept.result = valid, fake_run(spec("dense"), rapl_j=readings)
        assert RunRow(Kept, None).metered() == reading


@pytest.mark.usefixtures("toy_dataset")
def test_a_reading_is_kept_in_the_record_and_records_without_one_are_still_read(tmp_path):
    def run(one, report):
        return fake_run(one, rapl_j={"package-0": 5.0})

    folder = run_sweep(FakeSweep([spec("dense")]), tmp_path, run=run).plan.folder
    content = json.loads(next((folder / "records").glob("*.json")).read_bytes())
    assert content["result"].pop("rapl_j") == {"package-0": 5.0}
    assert Record.model_validate_json(json.dumps(content)).result.rapl_j is None
