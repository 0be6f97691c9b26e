# `make quickstart` and `make test` are all a fresh machine needs besides Python and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: help install quickstart test check faults reproduce readme format clean

help:
	@echo "make quickstart  install, then compare five methods on generated data (about a minute)"
	@echo "make test        install, then run the tests"
	@echo "make check       what a change must pass: ruff, mypy, tests"
	@echo "make reproduce   the paper's evaluation, PROFILE=smoke, laptop (the default) or full"
	@echo "make faults      kill sweeps at random, fill the disk, let drivers compete (some ten minutes)"
	@echo "make readme      put the tables of results/ into README.md"
	@echo "make format      let ruff format and sort imports"
	@echo "make clean       remove the virtual environment and caches"

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'lshexp needs Python 3.11 or newer')"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	@touch $@

quickstart: install
	$(BIN)/lshexp sweep experiments/quickstart.yaml
	$(BIN)/lshexp compare results/quickstart

test: install
	$(BIN)/python -m pytest -q

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q

faults: install
	$(BIN)/python tests/faults.py

PROFILE ?= laptop
reproduce: install
	$(BIN)/python scripts/reproduce.py $(PROFILE)

readme: install
	$(BIN)/python scripts/readme.py

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
