PYTHON ?= python3
UV ?= uv
COMPILE = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header
VENV := .venv/bin
# Grafana's image is left out where it cannot be had: make up SERVICES="server client prometheus"
SERVICES ?=

.PHONY: help up down demo drill test soak fuzz programs swarm kubernetes check bench lock release-check

# `make drill NAME`: the word after it is its argument, not a target.
ifeq (drill,$(firstword $(MAKECMDGOALS)))
DRILL := $(wordlist 2,$(words $(MAKECMDGOALS)),$(MAKECMDGOALS))
.PHONY: $(DRILL)
$(DRILL): drill ; @:
endif

help: ## list these targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 16

up: ## build and start the stack, wait until it is healthy
	docker compose up --build --wait $(SERVICES)
	@echo "Grafana: http://localhost:$${GRAFANA_PORT:-3000}  Prometheus: http://localhost:$${PROMETHEUS_PORT:-9090}"

down: ## stop the stack and remove all that it made
	docker compose --profile alerts down --volumes --remove-orphans

swarm: .venv/.ready ## run the tests on a Docker swarm of one node, which they make and leave; a quarter of an hour
	$(VENV)/pytest tests/swarm --log-cli-level=INFO

demo: .venv/.ready ## server, client and dashboard in one terminal, without Docker; Ctrl-C ends them
	@$(VENV)/python -m client demo

drill: ## list the drills; make drill NAME provokes one fault in the running stack, and says what to look at
	@$(PYTHON) -m drills $(DRILL)

test: .venv/.ready ## run all tests, about 40 minutes; those that need Docker, most of that time, are skipped where there is none
	$(VENV)/pytest

soak: .venv/.ready ## run the tests that take minutes; best on a machine that does nothing else
	$(VENV)/pytest tests/soak

fuzz: .venv/.ready ## send mutated inputs, a million of each kind, an hour; ARGS="tcp --inputs 10000" for a part
	$(VENV)/python -m tests.fuzz $(ARGS)

programs: .venv-programs/.ready ## run real programs in each way, in an environment of their own; about five minutes
	PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 .venv-programs/bin/pytest -p pytest_timeout tests/programs

kubernetes: .venv/.ready ## test deploy/kubernetes on the cluster that KUBECTL leads to; a quarter of an hour
	$(VENV)/pytest -rP tests/kubernetes

check: .venv/.ready ## lint, format, types, import layers
	$(VENV)/ruff check
	$(VENV)/ruff format --check
	$(VENV)/mypy
	$(VENV)/lint-imports --no-logo

bench: ## compare with the peers, about twelve minutes; needs Docker. ARGS="--only NAME --rounds N" for a part
	benchmarks/run $(ARGS)

release-check: ## see whether the commit could be released; minutes, and needs the package index
	@PYTHON=$(PYTHON) .ci/release-check

lock: ## pin all dependencies anew, with hashes
	$(COMPILE) pyproject.toml --extra client --output-file requirements/runtime.txt --upgrade
	$(COMPILE) pyproject.toml --extra client --group dev \
		--constraint requirements/runtime.txt --output-file requirements/dev.txt
	$(COMPILE) pyproject.toml --extra client --group bench \
		--constraint requirements/runtime.txt --output-file requirements/bench.txt
	$(COMPILE) pyproject.toml --extra client --group programs-under-test \
		--constraint requirements/dev.txt --output-file requirements/programs-under-test.txt
	$(COMPILE) --group release --output-file requirements/release.txt

.venv/.ready: requirements/dev.txt
	$(PYTHON) -m venv .venv
	$(VENV)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

.venv-programs/.ready: requirements/programs-under-test.txt
	$(PYTHON) -m venv .venv-programs
	.venv-programs/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@
