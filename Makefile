# `make demo` and `make test` do everything on a machine with Python 3.11 and make.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTEST_ARGS ?=
# uv does not read pip's settings: a mirror configured for pip is passed on.
export UV_DEFAULT_INDEX ?= $(PIP_INDEX_URL)
ifeq ($(strip $(UV_DEFAULT_INDEX)),)
unexport UV_DEFAULT_INDEX
endif

.PHONY: help demo test test-long check bench fuzz setup jars lock clean
help:
	@echo "make demo       set up, then the whole path on the embedded sandbox"
	@echo "make test       set up, then every test (under 15 minutes on 2 cores)"
	@echo "make check      ruff, mypy --strict, import-linter"
	@echo "make test-long  the full crash matrix on real servers"
	@echo "make fuzz       mutated messages against every reader, a minute (FUZZ_SECONDS)"
	@echo "make bench      ours and the peer's figures, to docs/benchmarks.md"

setup: $(STAMP)
$(STAMP): requirements/lock.txt requirements/uv.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 13) else "Python 3.11 or 3.12 is needed: make PYTHON=/path/to/python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/lock.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

demo: $(STAMP)
	$(BIN)/cutwater demo

test: $(STAMP)
	$(BIN)/python -m pytest -q -m "not long and not real" -n 2 $(PYTEST_ARGS) || test $$? = 5
	$(BIN)/python -m pytest -m "not long and real" $(PYTEST_ARGS) || test $$? = 5

test-long: $(STAMP)
	$(BIN)/python -m pytest $(PYTEST_ARGS)

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/mypy
	PATH="$(BIN):$$PATH" $(BIN)/lint-imports --no-cache

bench: $(STAMP)
	$(BIN)/python -m bench

fuzz: $(STAMP)
	$(BIN)/python tests/payments/fuzz_messages.py $(or $(FUZZ_SECONDS),60)

lock: $(STAMP)
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url requirements/requirements.in -o requirements/lock.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url requirements/uv.in -o requirements/uv.txt

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache build dist demo-out
