# Everything a developer or CI runs. `make help` lists it.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
WORKERS ?= 3

.DEFAULT_GOAL := help
.PHONY: help install fmt lint type imports security audit test check chaos chaos-mutations demo bench bench-quick pins clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  %-16s %s\n", $$1, $$2}'

install: $(STAMP)  ## a virtual environment in .venv with everything pinned, and the package in place

$(STAMP): requirements/dev.txt pyproject.toml $(wildcard connector/*.h connector/*/*.c)
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.13 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

fmt: install  ## format and mend what can be mended
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format --quiet .

lint: install  ## ruff: style and mistakes
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .

type: install  ## mypy --strict
	$(BIN)/mypy

imports: install  ## the import directions of pyproject.toml
	$(BIN)/lint-imports

security: install  ## bandit: what is known to be dangerous
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive connector

audit: install  ## pip-audit: known vulnerabilities of the pinned packages, where their list can be had
	$(BIN)/python .ci/audit.py requirements/dev.txt requirements/build.txt

test: install  ## every test, WORKERS=3 files at a time, then the chaos run; those that need Docker skip without it and say so
	$(BIN)/pytest -m "not alone" --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder --cov --cov-report=term --durations=15
	$(BIN)/pytest -m alone

check: lint type imports security audit test  ## what CI calls: lint, types, imports, bandit, pip-audit, tests

chaos: install  ## everything fails for MINUTES=3 with SEED=any and PEACE=1, and every profile is judged; needs Docker
	$(BIN)/python -m tests.chaos $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED)) $(if $(PEACE),--peace $(PEACE))

chaos-mutations: install  ## six mistakes on purpose, each of which the chaos run must find; needs Docker
	$(BIN)/python -m tests.chaos.mutations

demo: install  ## the whole road in one process, against a simulated Target
	$(BIN)/target-connector demo

bench: install  ## the tables and the chart of docs/performance.md, made again: ten minutes; needs Docker
	$(BIN)/python -m benchmarks.road --chart docs/performance.svg
	$(BIN)/python -m benchmarks.matrix
	$(BIN)/python -m benchmarks.decode
	$(BIN)/python -m benchmarks.shapes
	$(BIN)/python -m benchmarks.body

bench-quick: install  ## the contest once with few events: a minute; needs Docker
	$(BIN)/python -m benchmarks.road --quick

pins: install  ## write the requirement files anew from pyproject.toml
	$(BIN)/uv pip compile --quiet --no-strip-extras --universal --generate-hashes --no-emit-index-url --no-emit-find-links --upgrade --no-header \
		pyproject.toml -o requirements/run.txt
	$(BIN)/uv pip compile --quiet --no-strip-extras --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
		-c requirements/run.txt --group dev pyproject.toml -o requirements/dev.txt
	$(BIN)/uv pip compile --quiet --no-strip-extras --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
		-c requirements/dev.txt --group build -o requirements/build.txt

clean:  ## remove what the targets made
	rm -rf $(VENV) .coverage* .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis dist build *.egg-info connector/kafka/*.so
