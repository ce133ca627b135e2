# A fresh machine needs make, Python 3.11 or 3.12 (with venv and headers) and a
# C++ compiler (hnswlib is published as source only). `make setup` does the rest.
# The tests of Kafka take Java 17, Maven and kcat besides, or are skipped.

SHELL := /bin/bash
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
UV_VERSION := 0.13.9
PROTO := schemas/scorer.proto
PACKAGES := flows online_models rillrec schemas serving

# Arguments passed on to pytest: make test ARGS="-k store -x"
ARGS ?=

# The first interpreter that runs, is in range and can make a venv. Override: make PYTHON=...
IN_RANGE := import sys, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))
PYTHON ?= $(shell for p in python3.12 python3.11 python3; do \
	"$$p" -c '$(IN_RANGE)' >/dev/null 2>&1 && { echo "$$p"; break; }; done)
HAS_HEADERS := import os, sys, sysconfig; \
	sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-8s %s\n", $$1, $$2}'

.PHONY: setup
setup: $(STAMP) ## Create .venv and install the locked dependencies into it

$(STAMP): requirements.lock pyproject.toml
	@if [ ! -x $(BIN)/python ]; then \
		if ! "$(PYTHON)" -c '$(IN_RANGE)' >/dev/null 2>&1; then \
			echo "error: found no Python 3.11 or 3.12 that runs and has the venv module;" >&2; \
			echo "       install one (Debian: python3 python3-venv python3-dev) or say make PYTHON=..." >&2; \
			exit 1; \
		fi; \
		echo "creating $(VENV) with $$("$(PYTHON)" --version)"; \
		"$(PYTHON)" -m venv $(VENV); \
	fi
	@if ! $(BIN)/python -c 'import hnswlib' >/dev/null 2>&1; then \
		if ! command -v "$${CXX:-g++}" >/dev/null && ! command -v c++ >/dev/null; then \
			echo "error: hnswlib is built from source: install a C++ compiler (Debian: g++)" >&2; \
			exit 1; \
		fi; \
		if ! $(BIN)/python -c '$(HAS_HEADERS)'; then \
			echo "error: hnswlib is built from source: install Python's headers (Debian: python3-dev)" >&2; \
			exit 1; \
		fi; \
	fi
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .
	@touch $@

.PHONY: lock
lock: ## Recompile requirements.lock from pyproject.toml (add UPGRADE=1 to move versions)
	@[ -x $(BIN)/uv ] || $(MAKE) --no-print-directory setup
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra flow --extra dev \
		--no-emit-index-url --custom-compile-command "make lock" $(if $(UPGRADE),--upgrade) \
		pyproject.toml -o requirements.lock

.PHONY: lint
lint: setup ## Check style, formatting, types and import layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: format
format: setup ## Apply the formatter and the safe lint fixes
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: test
test: setup ## Run the tests, those of Kafka too where Java and Maven are (ARGS="-k name")
	$(BIN)/python -m pytest $(ARGS)

.PHONY: check
check: lint test ## Run lint and test

.PHONY: demo
demo: setup ## Run the whole pipeline on made-up traffic
	$(BIN)/rillrec demo

.PHONY: proto
proto: setup ## Regenerate the gRPC stubs in serving/ from schemas/scorer.proto
	$(BIN)/python -m grpc_tools.protoc -Iserving=schemas \
		--python_out=. --pyi_out=. --grpc_python_out=. serving/$(notdir $(PROTO))

.PHONY: clean
clean: ## Remove .venv, caches and build output
	rm -rf $(VENV) build dist *.egg-info .coverage htmlcov \
		.mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find $(PACKAGES) tests -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
