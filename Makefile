# Every target sets up what it needs: a virtual environment in .venv, made once and again when pyproject.toml
# changes. Wanted: Python 3.11 or later, and make. uv is used where it is installed.
#
#   make run PYTHON=python3.13      another interpreter for the environment (after rm -rf .venv)
#   make test ARGS="-k fifo"        further arguments for pytest

SHELL := /bin/sh
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
WORKERS ?= 2
ARGS ?=
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help run test lint format types bench check-pythons docs clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

$(STAMP): pyproject.toml
	@.ci/environment $(VENV) $(PYTHON)
	@touch $@

run: $(STAMP) ## play examples/orders: 1,000 orders, 7 of them poison
	@$(BIN)/esm run examples/orders/esm.yaml --send examples/orders/orders.jsonl --until-idle; code=$$?; \
	if [ $$code -eq 1 ]; then \
	  echo "The exit code was 1, as it should be: the 7 poison orders ended in the dead-letter queue."; \
	else exit $$code; fi

test: lint types ## lint, types, and the tests with branch coverage
	@$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n $(WORKERS) $(ARGS)
	@$(BIN)/coverage combine -q
	@$(BIN)/coverage report

lint: $(STAMP) ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(STAMP) ## let ruff format and mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(STAMP) ## mypy, strict
	$(BIN)/mypy

bench: $(STAMP) ## run every benchmark; each prints a table
	@for benchmark in benchmarks/[a-z]*.py; do \
	  [ -e "$$benchmark" ] || continue; \
	  echo "== $$benchmark"; $(BIN)/python "$$benchmark" || exit 1; \
	done

check-pythons: ## run the tests on every Python from 3.11 up that is found
	@.ci/check-pythons $(ARGS)

docs: $(STAMP) ## write the generated parts of docs/ anew
	@for script in docs/[a-z]*.py; do $(BIN)/python "$$script" || exit 1; done

clean: ## remove what building and testing leave behind; the environments stay
	rm -rf build dist htmlcov .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +
