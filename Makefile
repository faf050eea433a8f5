# Everything a developer or a newcomer runs. `make` lists the targets.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
FITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	command -v $$p >/dev/null 2>&1 && $$p -c '$(FITS)' 2>/dev/null && { echo $$p; break; }; done)
STAMP := $(VENV)/.locked
LOCKS := requirements/lock.txt requirements/build.txt
QUEUE ?= sqlite
SOURCES := src tests pipelines tools
# Arguments for pytest, e.g. `make integration ARGS="-k receipt -x"`.
ARGS ?=
# Integration tests wait more than they compute: this many at once, each with servers of its own.
WORKERS ?= 3

.PHONY: help
help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z][a-zA-Z0-9_-]*:.*## / {printf "  %-14s %s\n", $$1, $$2}' \
	$(MAKEFILE_LIST)

# -- run -------------------------------------------------------------------------------------------

.PHONY: setup
setup: $(STAMP) ## Make the virtual environment from the lock (only when the lock changed)

# The fast installer is a convenience: where it can't be had, pip does the same work. Both check
# every hash.
$(STAMP): $(LOCKS) pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed; name one with PYTHON=…"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@if cmp -s <(cat $(LOCKS)) $(VENV)/.installed; then echo "dependencies are as the lock says"; \
	else tools/install $(BIN)/python $(LOCKS); cat $(LOCKS) >$(VENV)/.installed; fi
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: up
up: setup ## Start the whole platform here and take its tour (QUEUE=kafka or kafka://HOST:PORT)
	@$(BIN)/mlplatform up --queue $(QUEUE)

.PHONY: down
down: setup ## Stop it
	@$(BIN)/mlplatform down

.PHONY: demo
demo: setup ## Take the tour from nothing, check every claim, stop
	@$(BIN)/mlplatform demo --queue $(QUEUE)

.PHONY: kafka
kafka: setup ## Run a Kafka broker on this machine (needs Java 17 and Maven)
	@$(BIN)/python -m mlplatform.local.servers.kafka

# -- check -----------------------------------------------------------------------------------------

# Short ones first; each says what it is, so that a log can be read. `pytest` runs in parts: a part
# that hangs is named.
.PHONY: test
test: lint types contracts house unit integration conformance ray-test faults acceptance chart ## Every check of this file

.PHONY: lint
lint: setup ## Style: ruff, and the formatter's opinion
	$(BIN)/ruff check $(wildcard $(SOURCES))
	$(BIN)/ruff format --check $(wildcard $(SOURCES))

.PHONY: types
types: setup ## Types: mypy --strict
	$(BIN)/mypy

.PHONY: contracts
contracts: setup ## Floors: who may import whom
	$(BIN)/lint-imports

.PHONY: house
house: setup ## House rules: sizes, names, documents
	$(BIN)/pytest tests/house $(ARGS)

.PHONY: unit
unit: setup ## Unit tests: no socket, some seconds
	$(BIN)/pytest tests/unit --numprocesses 2 --dist loadfile $(ARGS)

ON_RAY := tests/integration/trainer/on_ray

.PHONY: integration
integration: setup kafka-jars ## Integration tests on real servers
	$(BIN)/pytest tests/integration --ignore $(ON_RAY) --numprocesses $(WORKERS) --dist loadfile --durations 15 $(ARGS)

# Each client gets an environment of its own in .venv-conformance, kept until its requirements
# change. Where no package index can be reached, the summary says which ones were skipped.
.PHONY: conformance
conformance: setup ## Other servers' official clients against ours
	$(BIN)/pytest tests/conformance --durations 5 $(ARGS)

# Ray gets an environment of its own in .venv-ray, in the same manner.
.PHONY: ray-test
ray-test: setup ## Trainings on a real Ray cluster
	$(BIN)/pytest $(ON_RAY) --durations 5 $(ARGS)

.PHONY: faults
faults: setup ## Things are killed, nothing is lost
	$(BIN)/pytest tests/faults $(ARGS)

.PHONY: acceptance
acceptance: setup ## The command line, as a newcomer uses it
	$(BIN)/pytest tests/acceptance $(ARGS)

.PHONY: bench
bench: setup ## Measure; never part of `test`
	@for part in tests/benchmarks/*.py; do echo "== $$part"; $(BIN)/python $$part; done

# The peers' environments are made in .venv-bench when they are first needed. Three rounds take half
# an hour; `make bench-serving ROUNDS=1` answers in minutes. More arguments go into ARGS:
# tests/benchmarks/serving_peers/__main__.py.
ROUNDS ?= 3
LOAD_S ?= 1.5
.PHONY: bench-serving
bench-serving: setup ## Measure serving beside its peers; writes docs/reference/serving-benchmark.md
	@PYTHONPATH=tests/benchmarks $(BIN)/python -m serving_peers \
	--rounds $(ROUNDS) --seconds $(LOAD_S) $(ARGS)

# The Kafka tests need a broker's jars. Without Java and Maven they are skipped, and that must not
# go unseen.
.PHONY: kafka-jars
kafka-jars: setup
	@if command -v java >/dev/null && command -v mvn >/dev/null; then \
	$(BIN)/python -m mlplatform.local.servers.kafka --fetch; \
	else echo "!! no Java or no Maven here: THE TESTS ON A REAL KAFKA BROKER ARE SKIPPED"; fi

# -- keep ------------------------------------------------------------------------------------------

.PHONY: lock
lock: ## Resolve the dependencies again (ARGS=--upgrade for the newest that fit)
	@PYTHON=$(PYTHON) tools/lock $(ARGS)

.PHONY: docs
docs: setup ## Make the reference pages from the code
	@$(BIN)/python tools/reference.py

.PHONY: messages
messages: setup ## Describe the gRPC messages again from their .proto files
	@$(BIN)/python tools/messages.py

.PHONY: clean
clean: ## Remove the local stack's data and what builds left (not the virtual environment)
	@if test -x $(BIN)/mlplatform; then $(BIN)/mlplatform down; $(BIN)/mlplatform clean --yes; fi
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

-include k8s/kind.mk
