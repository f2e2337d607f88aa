# Everything a developer or a newcomer types. Each target builds what it needs; run "make help" for the list.
SHELL := /bin/bash
.ONESHELL:
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3.11
VENV := .venv
# How many tests run at once. Each Molecule scenario has hosts of its own.
WORKERS ?= 2
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
export PYTHONDONTWRITEBYTECODE :=

# A purpose's stamp is newer than its pinned set: that set is installed.
STAMP = $(VENV)/.installed-$(1)

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

$(VENV)/.created:
	@command -v $(PYTHON) >/dev/null || { echo "drydock: $(PYTHON) was not found. Install Python 3.11 or newer, or name yours: make PYTHON=python3.12 …" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV) || { echo "drydock: $(PYTHON) cannot make a virtual environment. On Debian: apt-get install python3-venv" >&2; exit 1; }
	# The checkout is the collection: it stands where Ansible and Python look for collections.
	site=$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
	for place in "$$site" $(VENV)/lib/collections; do
	  mkdir -p "$$place/ansible_collections/drydock"
	  ln -sfn "$(CURDIR)" "$$place/ansible_collections/drydock/serving"
	done
	touch $@

$(VENV)/.installed-%: requirements/%.txt $(VENV)/.created
	@echo "drydock: installing the pinned set '$*'"
	$(BIN)/pip install --quiet --no-compile --requirement requirements/$*.txt || { echo "drydock: pip could not install requirements/$*.txt. Is a package index reachable? See: $(BIN)/pip config list" >&2; exit 1; }
	touch $@

# Each sample service has a set of its own, made to fit beside the others.
$(VENV)/.installed-example-%: examples/%/requirements-test.txt $(VENV)/.created
	@echo "drydock: installing what the tests of examples/$* need"
	$(BIN)/pip install --quiet --no-compile --requirement $< || { echo "drydock: pip could not install $<. Is a package index reachable? See: $(BIN)/pip config list" >&2; exit 1; }
	touch $@

.PHONY: setup
setup: $(call STAMP,controller) ## create .venv with what a controller needs

.PHONY: setup-models
setup-models: setup $(call STAMP,models) ## besides, what locking models from a hub, S3 or with signatures needs

.PHONY: setup-dev
setup-dev: setup $(call STAMP,models) $(call STAMP,lint) $(call STAMP,test) $(call STAMP,example-ocr)

.PHONY: demo
demo: ## from nothing to a picture read by a model through TLS
	@start=$$SECONDS
	$(MAKE) --no-print-directory setup
	$(BIN)/python -m lab demo --setup-seconds $$((SECONDS - start))

.PHONY: demo-down lab-down
demo-down lab-down: ## remove exactly what the lab made
	@if [ -d .lab ] && [ ! -e $(call STAMP,controller) ]; then $(MAKE) --no-print-directory setup; fi
	if [ -e $(call STAMP,controller) ]; then $(BIN)/python -m lab down; else echo "drydock: no lab here (neither .lab nor .venv)"; fi

.PHONY: lab-up
lab-up: setup ## engine, image registry, model origin and one host
	@$(BIN)/python -m lab up

.PHONY: lint
lint: setup-dev $(call STAMP,docs) ## ruff, mypy, yamllint, ansible-lint (production), changelog, variable tables
	ruff check .
	ruff format --check .
	mypy
	yamllint --strict .
	ansible-lint --offline
	antsibull-changelog lint
	$(BIN)/python -m docs.build --check

.PHONY: unit
unit: setup-dev ## unit tests: no network, no engine
	pytest tests/unit

.PHONY: integration
integration: setup-dev ## modules against real local servers; the artefact; ansible-test sanity
	pytest tests/integration tests/artefact

.PHONY: molecule
molecule: lab-up setup-dev ## every scenario
	pytest --numprocesses $(WORKERS) tests/molecule

.PHONY: test
test: lint ## everything CI runs
	pytest --numprocesses $(WORKERS)

.PHONY: bench
bench: $(patsubst benchmarks/%/run.py,bench-%,$(wildcard benchmarks/*/run.py)) ## every benchmark; each alone: make bench-<name>

bench-%: setup-dev
	$(BIN)/python benchmarks/$*/run.py

.PHONY: docs
docs: setup $(call STAMP,docs) ## reference pages from the modules' and roles' own documentation, into build/docs
	$(BIN)/python -m docs.build

.PHONY: requirements
requirements: ## resolve requirements/*.in into the pinned sets
	$(BIN)/pip install --quiet uv
	cd requirements && for set in controller models lint test docs; do
	  ../$(BIN)/uv pip compile --quiet --upgrade --python-version 3.11 --no-header --no-annotate "$$set.in" --output-file "$$set.txt"
	done
