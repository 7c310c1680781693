# Hallwatch's commands. `make help` lists them; ARGS="…" passes options on to pytest or the benchmarks.
SHELL := /bin/bash
BIN := .venv/bin
JOBS := $(shell n=$$(getconf _NPROCESSORS_ONLN); echo $$((n < 4 ? n : 4)))
# Tests, demo and benchmarks start processes again and again: each finds the code compiled, whatever the shell says.
export PYTHONDONTWRITEBYTECODE :=
.DEFAULT_GOAL := help
.PHONY: help demo test check bench fuzz truth month screenshots install setup lock clean

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

demo: .venv/.runtime ## run everything on a simulated campus; Ctrl-C ends it (PORT=8080 SPEED=…)
	@exec $(BIN)/hallwatch demo $(if $(PORT),--port $(PORT)) $(if $(SPEED),--speed $(SPEED))

test: .venv/.development ## run the whole test suite, with real servers
	@.ci/system-packages
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(ARGS)

check: .venv/.development ## check format, lint, types and the import contract
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/.development ## measure how fast and how safe it is
	@.ci/system-packages
	@$(BIN)/python -m benchmarks $(ARGS)

fuzz: .venv/.development ## feed the decoder a million mutilated payloads (ARGS="--count … --seed …")
	@$(BIN)/python -m benchmarks.fuzz $(or $(ARGS),--count 1000000)

truth: .venv/.development ## compare the protocols with the truth of 100 seeded days, naming every miss
	@$(BIN)/python -m benchmarks.truth $(ARGS)

month: .venv/.development ## write down what a month of a school raises (docs/month.md)
	@$(BIN)/python -m benchmarks.month $(ARGS)

screenshots: .venv/.development ## take a picture of every page, desk and phone (ARGS="FOLDER --docs")
	@.ci/system-packages
	@$(BIN)/python -m tests.browser.screenshots $(ARGS)

install: .venv/.runtime ## make .venv with what running the service needs

setup: .venv/.development ## make .venv with everything that developing needs
	@.ci/system-packages

lock: .venv/.development ## resolve the dependencies anew into both lock files
	@.ci/lock

clean: ## remove what these commands have made, .venv included; databases of your own stay
	rm -rf .venv build dist demo-data bench-data *.egg-info
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.runtime: requirements.lock pyproject.toml
	@.ci/environment requirements.lock
	@touch $@

# The development lock holds the run-time one: whoever has it needs no second installation for the demo.
.venv/.development: requirements-dev.lock pyproject.toml
	@.ci/environment requirements-dev.lock
	@touch $@ .venv/.runtime
