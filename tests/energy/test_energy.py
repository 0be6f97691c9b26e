"""Energy models: prices by hand, linearity, refusal of bad options."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lshexp import registry
from lshexp.energy.base import EnergyModel
from lshexp.errors import ConfigError
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
