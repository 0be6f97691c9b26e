# `make quickstart` and `make test` are all a fresh machine needs besides Python and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest -q -n auto
PROFILE ?= laptop

.PHONY: help install quickstart test check lint interpreted bounds lowest faults reproduce baselines readme format clean

help:
	@echo "make quickstart  install, then compare the methods on generated data (a minute, once installed)"
	@echo "make test        install, then run the tests"
	@echo "make check       what a change must pass: lint, interpreted, bounds, test"
	@echo "make lint        ruff and mypy"
	@echo "make interpreted tests of kernels, run as plain Python"
	@echo "make bounds      tests of kernels with every index checked"
	@echo "make lowest      some tests with the oldest versions that pyproject.toml admits"
	@echo "make reproduce   the paper's evaluation, PROFILE=smoke, laptop (the default) or full"
	@echo "make baselines   PyTorch's networks beside our dense ones (some twenty minutes)"
	@echo "make faults      kill sweeps at random, fill the disk, let drivers compete (some ten minutes)"
	@echo "make readme      bring README.md, results/README.md and docs/ up to date"
	@echo "make format      let ruff format and sort imports"
	@echo "make clean       remove the virtual environment and caches"

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'lshexp needs Python 3.11 or newer')"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	@touch $@

quickstart: install
	$(BIN)/lshexp sweep experiments/quickstart.yaml -o results/scratch
	$(BIN)/lshexp compare results/scratch/quickstart
	$(BIN)/lshexp figures results/scratch/quickstart --only accuracy_vs_mults

test: install
	$(PYTEST)

# the whole suite comes last, so that the output ends with its summary
check: lint interpreted bounds test

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

interpreted: install
	NUMBA_DISABLE_JIT=1 $(PYTEST) tests/kernels

# compiled code is cached apart, as it differs
bounds: install
	NUMBA_BOUNDSCHECK=1 NUMBA_CACHE_DIR=$(VENV)/numba-bounds $(PYTEST) tests/kernels

LOWEST := $(VENV)-lowest
lowest: install
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check $$($(BIN)/python tests/test_bounds.py)
	PYTHONPATH=$(CURDIR) $(LOWEST)/bin/python -m pytest -q tests/config tests/analysis/test_compare.py \
		tests/nn/test_golden.py

faults: install
	$(BIN)/python tests/faults.py

reproduce: install
	$(BIN)/lshexp reproduce $(PROFILE)

baselines: install
	$(BIN)/python tests/plain_baselines.py

readme: install
	$(BIN)/python tests/pages.py

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) $(LOWEST) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
