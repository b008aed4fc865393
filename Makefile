# make setup | demo | test | check | test-live | test-slow | test-clients | test-faults | bench | bench-liveness | soak | check-wheels | clean
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.recalld-setup
SHELL := /bin/bash
# One BLAS thread each: two test workers on two cores, not eight threads on two cores.
export OPENBLAS_NUM_THREADS := 1

.PHONY: setup demo test check check-wheels test-live test-slow test-clients test-faults bench bench-liveness soak clean

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test,dev]'
	touch $@

demo: $(STAMP)
	$(BIN)/python scripts/demo.py

check: $(STAMP)
	$(BIN)/ruff check src tests bench
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

# Whether wheels of all dependencies exist for every supported Python and platform. Needs a package index.
check-wheels: $(STAMP)
	$(BIN)/python scripts/wheels.py

test: check
	$(BIN)/python -m pytest -q -n 2 --dist worksteal

test-live: $(STAMP)
	$(BIN)/python -m pytest -q -m 'live and not slow'

test-slow: $(STAMP)
	$(BIN)/python -m pytest -q -m 'slow or live'

test-faults: $(STAMP)
	$(BIN)/python -m pytest -q -m faults -s

# Other projects' clients against a running server. Installs them first, apart: needs a package index and npm.
test-clients: $(STAMP)
	$(BIN)/python scripts/clients_setup.py
	$(BIN)/python -m pytest -q -m clients tests/clients

bench: $(STAMP)
	$(BIN)/python -m bench

bench-liveness: $(STAMP)
	$(BIN)/python -m bench.liveness --svg docs/liveness.svg

soak: $(STAMP)
	$(BIN)/python -m bench.soak --minutes $(or $(MINUTES),20)

clean:
	rm -rf $(VENV) .venv-clients build dist .demo .bench .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
