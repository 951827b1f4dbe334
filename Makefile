# One-word commands; `make` alone lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help

help: ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

$(VENV)/.run: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed" if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.txt
	@touch $@

# what generates clients from the API's description: apart, because its pins are not ours
CLIENTS := $(VENV)/clients

$(CLIENTS)/.python: tests/clients/requirements.txt
	$(PYTHON) -m venv $(CLIENTS)/python
	$(CLIENTS)/python/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $<
	@touch $@

$(CLIENTS)/.node: tests/clients/package-lock.json tests/clients/package.json tests/clients/.npmrc
	@mkdir -p $(CLIENTS)/node && cp $^ $(CLIENTS)/node/
	@if command -v npm >/dev/null; then cd $(CLIENTS)/node && npm ci --silent && touch ../.node; \
	else echo "npm is missing: the client in TypeScript is not tested"; fi

installed: $(VENV)/.dev $(CLIENTS)/.python $(CLIENTS)/.node ## what the tests need, installed

demo: $(VENV)/.run ## sandbox marketplaces, pipeline and API with made-up orders (ONCE=1: run once and exit)
	@$(BIN)/orders demo $(if $(ONCE),--once,)

test: installed ## the whole test suite
	$(BIN)/python -m pytest -n 3 --dist loadscope --no-loadscope-reorder $(PYTEST)

test-fast: $(VENV)/.dev ## what one runs between two steps: no slow tests, and none on PostgreSQL that runs on SQLite
	$(BIN)/python -m pytest -n 3 --dist loadscope --no-loadscope-reorder -m 'not slow and not postgresql_too' $(PYTEST)

check: $(VENV)/.dev ## formatting, lint, types, dead code and templates
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/vulture
	$(BIN)/djlint --quiet --lint orders_api/console/templates

bench: $(VENV)/.dev ## the benchmarks, printed as one table
	$(BIN)/python -m tests.benchmarks

faults: $(VENV)/.dev ## the whole confirmation campaign at every kind: a thousand shipments, two hundred kills
	$(BIN)/python -m tests.faults.confirmation_campaign --full

simulate: $(VENV)/.dev ## worlds that act by themselves, from so many seeds (SEEDS=1000: a night), until one fails
	$(BIN)/python -m tests.simulation --seeds $(or $(SEEDS),8) --first $(or $(FIRST),1) --shrink 600

specs: $(VENV)/.dev ## the stand-ins' traffic against official descriptions that are not part of the project: SPECS=DIR
	$(BIN)/python -m tests.specs $(SPECS)

screenshots: $(VENV)/.dev ## the pictures of the console in docs/images, taken anew
	REFRESH_SCREENSHOTS=1 $(BIN)/python -m pytest -q tests/console/test_screenshots.py

lock: ## refresh the hash-locked requirements (needs uv and npm on PATH)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
		--no-header --no-annotate --extra build pyproject.toml -o requirements.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
		--no-header --no-annotate --extra build --extra dev pyproject.toml -o requirements-dev.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
		--no-header --no-annotate --extra build --extra celery --extra kubernetes pyproject.toml -o deploy/requirements.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
		--no-header --no-annotate tests/clients/requirements.in -o tests/clients/requirements.txt
	cd tests/clients && npm install --package-lock-only --silent

clean: ## remove the environment and everything the demo wrote
	rm -rf $(VENV) data build *.egg-info

.PHONY: help demo installed test test-fast check bench faults simulate specs screenshots lock clean
