# One command for each thing to do. `make` alone lists them. Needs Python 3.11 or newer, make and a package index.

PYTHON ?= python3
VENV   ?= .venv
UV     ?= uv
PORT   ?= 3000
CASES  ?= 3000

COMPILE = $(UV) pip compile --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-emit-index-url --no-header --quiet

BIN   := $(VENV)/bin
STAMP := $(VENV)/.installed

# The S3 emulator that integration tests talk to pins libraries of its own, so it has its own environment.
EMULATORS := .venv-ministack
EMULATORS_STAMP := $(EMULATORS)/.installed

# And so has what the benchmarks compare with.
RIVALS := .venv-bench
RIVALS_STAMP := $(RIVALS)/.installed

# And so has what defines and checks the infrastructure on AWS.
DEPLOY := .venv-deploy
DEPLOY_STAMP := $(DEPLOY)/.installed
CONFIG ?= deploy/aws/lake.yaml

# An environment that does not run (its Python is gone) or that was made elsewhere (the folder was moved) is made anew.
$(shell for env in $(VENV) $(EMULATORS) $(RIVALS) $(DEPLOY); do \
	if [ -e $$env/.installed ] && ! { $$env/bin/python -c '' && [ "$$(cat $$env/.installed)" = "$(CURDIR)" ]; } 2>/dev/null; then \
		rm -f $$env/.installed; \
	fi; \
done)

# What a person's own settings for pip would break.
export PIP_USER := 0
export PIP_DISABLE_PIP_VERSION_CHECK := 1
unexport PIP_TARGET PIP_PREFIX PYTHONHOME

.DEFAULT_GOAL := help
.PHONY: help demo demo-aws dev test fuzz lint check bench synth lock format clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

demo: $(STAMP)  ## land sample data, run the lake through Dagster, show what came of it
	@$(BIN)/python demo/run.py

demo-aws: $(STAMP) $(EMULATORS_STAMP)  ## the same on AWS's services, as an emulator speaks them
	@$(BIN)/python demo/aws.py

dev: $(STAMP)  ## open the Dagster UI with the sensors on
	@echo "Dagster UI: http://127.0.0.1:$(PORT) (stop it with Ctrl-C); files go in with: $(BIN)/supply-lake land DATASET FILE"
	@DAGSTER_HOME="$$($(BIN)/python -m supply_lake.resources.instance)" PYTHONWARNINGS='ignore:Function `dev_command`' \
		$(BIN)/dagster dev --port $(PORT) --log-level warning

test: $(STAMP) $(EMULATORS_STAMP) $(DEPLOY_STAMP)  ## run every test
	@$(BIN)/python -m pytest --numprocesses=2 --dist=loadfile

fuzz: $(STAMP)  ## land thousands of broken files (CASES=3000, SEED=…): nothing is raised, nothing is lost
	@$(BIN)/python -m supply_lake_tests.fuzz --cases $(CASES) $(if $(SEED),--seed $(SEED))

lint: $(STAMP)  ## check style, types, the direction of imports, and that Dagster loads it
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check --quiet || { echo "make format puts the files listed above in order"; exit 1; }
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@DAGSTER_DISABLE_TELEMETRY=1 VIRTUAL_ENV="$(CURDIR)/$(VENV)" $(BIN)/dg check defs
	@DAGSTER_DISABLE_TELEMETRY=1 PYTHONWARNINGS=ignore $(BIN)/dagster definitions validate --workspace workspace.yaml --log-level warning

check: lint test  ## everything that CI checks

format: $(STAMP)  ## put the code in order
	@$(BIN)/ruff check --fix --quiet
	@$(BIN)/ruff format --quiet

bench: $(STAMP) $(RIVALS_STAMP)  ## measure speed against the baselines, into benchmarks/RESULTS.md
	@$(BIN)/python benchmarks/run.py

synth: $(STAMP) $(DEPLOY_STAMP)  ## write the templates of the infrastructure on AWS into deploy/aws/cdk.out (CONFIG=file)
	@SUPPLY_LAKE_DEPLOY_CONFIG="$(CONFIG)" CDK_OUTDIR=deploy/aws/cdk.out $(DEPLOY)/bin/python deploy/aws/app.py
	@ls deploy/aws/cdk.out/*.template.json

lock:  ## refresh the pinned dependencies (needs uv)
	@command -v $(UV) >/dev/null || { echo "make lock needs uv; install it, or name it: make lock UV=/path/to/uv"; exit 1; }
	@$(COMPILE) pyproject.toml --all-extras --output-file requirements.lock
	@$(COMPILE) requirements-emulators.in --output-file requirements-emulators.lock
	@$(COMPILE) requirements-bench.in --output-file requirements-bench.lock
	@$(COMPILE) requirements-deploy.in --output-file requirements-deploy.lock

clean:  ## remove the environment and the caches; the lake stays
	@rm -rf $(VENV) $(EMULATORS) $(RIVALS) $(DEPLOY) deploy/aws/cdk.out .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache supply_lake.egg-info

# The environment is made once, and again when the lock or the project's metadata change.
$(STAMP): requirements.lock pyproject.toml
	@set -e; found=; \
	for python in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11; do \
		if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
		echo "supply_lake needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) --version 2>&1 || true); name one: make PYTHON=/path/to/python3.11"; \
		exit 1; \
	fi; \
	if grep -qsF "$(CURDIR)/$(VENV)" $(BIN)/activate && $(BIN)/python -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
		echo "Bringing $(VENV) up to date …"; \
	else \
		echo "Installing the pinned dependencies into $(VENV) with $$($$found --version) (once, about a minute) …"; \
		$$found -m venv --clear $(VENV) || { echo "$$found cannot make environments; on Debian or Ubuntu, apt install python3-venv helps"; exit 1; }; \
	fi; \
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements.lock; \
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .; \
	printf '%s\n' "$(CURDIR)" > $@

$(EMULATORS_STAMP): requirements-emulators.lock | $(STAMP)
	@echo "Installing the S3 emulator for the tests into $(EMULATORS) (once, about 10 seconds) …"
	@$(BIN)/python -m venv --clear $(EMULATORS)
	@$(EMULATORS)/bin/python -m pip install --quiet --require-hashes --requirement requirements-emulators.lock
	@printf '%s\n' "$(CURDIR)" > $@

$(RIVALS_STAMP): requirements-bench.lock | $(STAMP)
	@echo "Installing what the benchmarks compare with into $(RIVALS) (once, about half a minute) …"
	@$(BIN)/python -m venv --clear $(RIVALS)
	@$(RIVALS)/bin/python -m pip install --quiet --require-hashes --requirement requirements-bench.lock
	@printf '%s\n' "$(CURDIR)" > $@

$(DEPLOY_STAMP): requirements-deploy.lock | $(STAMP)
	@echo "Installing CDK and its checks into $(DEPLOY) (once, about a minute, 900 MB) …"
	@$(BIN)/python -m venv --clear $(DEPLOY)
	@$(DEPLOY)/bin/python -m pip install --quiet --require-hashes --requirement requirements-deploy.lock
	@printf '%s\n' "$(CURDIR)" > $@
