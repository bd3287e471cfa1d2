# make run    sets up .venv from requirements.txt and runs one retune on this machine
# make test   sets up and runs the tests
# make help   lists the rest

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
BIN := .venv/bin
# Tests wait for servers most of their time. A file stays in one process, since its tests share servers.
SIDE_BY_SIDE := -n logical --maxprocesses 4 --dist loadfile
.DEFAULT_GOAL := help

.PHONY: help install run run-azure-offline test faults lint check bench bench-main-job lock up down ui clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

install: .venv/installed  ## set up .venv alone

# $(call set_up,sync) makes the folder of the target with the packages of the files that it depends on. The installer is the one
# that requirements.txt pins; pip alone takes minutes where it takes seconds. Compiled here, since a process may not be allowed
# to (PYTHONDONTWRITEBYTECODE), and each of the many would then compile what it imports.
define set_up
	@test -n "$(PYTHON)" || { echo "retuner needs Python 3.11 or 3.12: install it, or say make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' || \
	    { echo "retuner needs Python 3.11 or 3.12, and $(PYTHON) is $$($(PYTHON) -V): say make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "Setting up $(@D) with the $$(grep -c == requirements.txt) packages of requirements.txt: seconds, or minutes where they must be downloaded ..."
	@PYTHON="$(PYTHON)" sh deployments/create_venv.sh $(@D)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check "$$(grep '^uv==' requirements.txt)"
	@VIRTUAL_ENV=$(@D) $(@D)/bin/uv pip $(1) --quiet --compile-bytecode $(addprefix $(2),$(filter %.txt,$^)) || { echo "uv failed; pip takes some minutes"; \
	    $(@D)/bin/python -m pip install --quiet --disable-pip-version-check $(addprefix --requirement=,$(filter %.txt,$^)); }
	@VIRTUAL_ENV=$(@D) $(@D)/bin/uv pip install --quiet --no-deps --no-build-isolation --editable .
	@$(@D)/bin/python -m compileall -q cli flows tasks retuner retuner_training
	@touch $@
endef

.venv/installed: requirements.txt pyproject.toml
	$(call set_up,sync)

run: install  ## retune the built-in model on the bundled sample; more with .venv/bin/retune run --help
	@$(BIN)/retune run

# Everything on this machine: Azurite for Blob storage, and an emulator of Azure ML's services for the real SDK.
run-azure-offline: install  ## the same on an emulated Azure ML workspace with 4 nodes; no account, no cloud
	@PYTHONPATH=tests RETUNER_HOME="$${RETUNER_HOME:-$(CURDIR)/.retuner/azure-offline}" $(BIN)/python -m azure_ml_emulator \
	    --container retuner -- $(BIN)/retune run --parameters deployments/parameters/azure_ml_offline.yaml

test: install  ## run the tests
	@$(BIN)/python -m pytest $(SIDE_BY_SIDE)

# Here any test may run in any process, with servers of its own: four of them even on two cores, as they mostly wait.
faults: install  ## kill what can be killed and see what holds, in some 40 minutes
	@$(BIN)/python -m pytest -n 4 --dist load tests/faults -m "not azure"

lint: install  ## lint, format, types and the import rule
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/mypy
	@$(BIN)/lint-imports

check: lint test  ## everything that must hold before a commit

bench: .venv-bench/installed  ## measure speed and memory beside peers, in half an hour; writes into docs/benchmarks.md
	@.venv-bench/bin/python -m benchmarks

bench-main-job: .venv-bench/installed  ## measure make run and a retune of the data; writes into docs/benchmarks.md
	@.venv-bench/bin/python -m benchmarks --table main-job

# The locked packages and the peers, apart from .venv, which stays as it is locked.
.venv-bench/installed: requirements.txt pyproject.toml benchmarks/peers.txt
	@rm -rf $(@D)
	$(call set_up,install,--requirement=)

up: install  ## start server, UI, worker, deployments and automations here, and print where they are
	@$(BIN)/retune up

down: install  ## end what make up started
	@$(BIN)/retune down

ui: install  ## open the Prefect UI on what the flow runs left behind (Ctrl-C ends it)
	@$(BIN)/retune ui

lock: install  ## compile requirements.txt anew from the ranges in pyproject.toml, for Python 3.11 and 3.12
	@$(BIN)/uv pip compile pyproject.toml --extra dev --python-version 3.11 --quiet --output-file requirements.txt \
	    --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"
	@$(BIN)/uv pip compile pyproject.toml --extra dev --python-version 3.12 --quiet --constraint requirements.txt >/dev/null
	@$(BIN)/uv pip compile deployments/azure_ml/requirements.in --constraint requirements.txt --python-version 3.11 --quiet \
	    --python-platform x86_64-unknown-linux-gnu --no-annotate --output-file deployments/azure_ml/requirements.txt \
	    --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

clean:  ## remove the virtual environments, the Azurite that tests fetched and all that flow runs left in .retuner
	rm -rf .venv .venv-bench .azurite .retuner
