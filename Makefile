# `make` lists what there is. Every target sets up .venv first, once.
SHELL := /bin/sh
.DEFAULT_GOAL := help
READY := .venv/.complete
PY := .venv/bin/python

.PHONY: help setup demo test quick lint format types docs docs-serve ci lock clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY)  ## Python environment in .venv (from uv.lock)

$(READY): pyproject.toml uv.lock tools/setup.sh
	@sh tools/setup.sh

demo: $(READY)  ## nasal esketamine and intravenous ketamine, 1,000 virtual patients each, plasma to symptoms; report in build/demo
	@$(PY) examples/demo.py

test: $(READY)  ## all tests
	@$(PY) -m pytest -n auto --dist worksteal

quick: $(READY)  ## the tests that take seconds
	@$(PY) -m pytest -m "not slow" -q

lint: $(READY)  ## style of the code
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .

format: $(READY)  ## put the code into that style
	@.venv/bin/ruff check --fix .
	@.venv/bin/ruff format .

types: $(READY)  ## types, strict on the core
	@.venv/bin/pyright

docs: $(READY)  ## documentation in build/site; fails on any warning
	@NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict --quiet
	@echo "Documentation: build/site/index.html"

docs-serve: $(READY)  ## documentation at http://127.0.0.1:8000, rebuilt on change
	@NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs serve

ci:  ## what runs before a change lands: lint, types, documentation, tests
	@bash .ci/run

lock: $(READY)  ## renew uv.lock after a change of dependencies
	@PATH="$(CURDIR)/.venv-uv/bin:$$PATH" uv lock

clean:  ## remove what was built (not .venv)
	rm -rf build .pytest_cache .ruff_cache .hypothesis
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
