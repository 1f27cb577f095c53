# `make` lists what there is. Every target sets up what it needs and does nothing twice.

PYTHON ?= python3
ARGS ?=

BIN := .venv/bin
PROTOS_BIN := .venv-protos/bin
EVERYTHING := .[server,embedded,docs,dev]
CHECKS := format lint types protos breaking generated oldest wheel imports migrations compose

# What the example for Node needs; without npm its test is left out.
NODE_EXAMPLE := $(if $(shell command -v npm),clients/examples/node/node_modules/.package-lock.json)

MAKEFLAGS += --no-print-directory
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help install up demo docs test fuzz faults model check protos dist clean $(CHECKS:%=check-%)

help:
	@echo "make install   set up .venv with everything (PYTHON=python3.12 chooses the interpreter)"
	@echo "make up        start a payment core with its own Postgres and Valkey (ARGS='--listen 127.0.0.1:0')"
	@echo "make demo      watch purchases go through escrow, and three disputes"
	@echo "make docs      build the documentation site into build/docs, without a network"
	@echo "make test      run the tests (ARGS='tests/unit -k money')"
	@echo "make fuzz      ask every RPC what nobody should (MESSAGES=1000000 SEED=7; REPEAT=... as a failure says)"
	@echo "make faults    run seeds of the fault harness (SEEDS=200 FIRST=1); the report is build/faults.md"
	@echo "make model     run the model of the product against it with random steps (MINUTES=60)"
	@echo "make check     everything but the tests; one step alone: make check-STEP with"
	@echo "               $(CHECKS)"
	@echo "make protos    generate the Python code after a change of protos/danbao"
	@echo "make dist      build the wheel and the sdist into dist/"
	@echo "make clean     remove the environments and what tools left behind (data of 'make up' stays)"

install: .venv/.installed

up: .venv/.installed
	@exec $(BIN)/danbao up $(ARGS)

demo: .venv/.installed
	@exec $(BIN)/danbao demo $(ARGS)

docs: .venv/.installed
	@$(BIN)/python -m docs.generator build/docs

test: .venv/.installed $(NODE_EXAMPLE)
	@$(BIN)/pytest -n logical --maxprocesses=4 --dist worksteal $(ARGS)

fuzz: .venv/.installed
	@MESSAGES='$(MESSAGES)' SEED='$(SEED)' REPEAT='$(REPEAT)' $(BIN)/pytest -m soak -sq tests/integration/test_rpc_mutations.py $(ARGS)

# Many seeds take long: 200 of them about an hour and a half.
faults: .venv/.installed
	@$(BIN)/python -m tests.faults.harness --seeds $(or $(SEEDS),20) --first $(or $(FIRST),1) $(ARGS)

model: .venv/.installed
	@$(BIN)/python -m tests.property --minutes $(or $(MINUTES),60) $(ARGS)

protos: .venv-protos/.installed
	@$(PROTOS_BIN)/python protos/generate.py

# Both in one go, by what is installed: nothing is fetched. `twine check` says whether an index would take them.
dist: .venv/.installed
	@rm -rf dist
	@$(BIN)/python -m build --no-isolation
	@$(BIN)/twine check --strict dist/*

# Every step runs, so that one run tells everything; the end names those that failed.
check: .venv/.installed .venv-protos/.installed
	@failed=; \
	for step in $(CHECKS); do \
		echo "== $$step"; \
		$(MAKE) check-$$step || failed="$$failed $$step"; \
	done; \
	if [ -n "$$failed" ]; then echo "== check failed:$$failed" >&2; exit 1; fi; \
	echo "== check passed"

check-format: .venv/.installed
	@$(BIN)/ruff format --check

check-lint: .venv/.installed
	@$(BIN)/ruff check

check-types: .venv/.installed
	@$(BIN)/mypy

check-protos: .venv/.installed
	@cd protos && ../$(BIN)/buf lint && ../$(BIN)/buf format --path danbao --diff --exit-code

# With each release its descriptors are committed, and nothing of them may go that callers rely on:
# cd protos && buf build --path danbao --exclude-source-info -o released.binpb
check-breaking: .venv/.installed
	@cd protos && if [ -f released.binpb ]; then ../$(BIN)/buf breaking --path danbao --against released.binpb; fi

check-generated: .venv-protos/.installed
	@$(PROTOS_BIN)/python protos/generate.py --check

# The contract and the client with the oldest versions that their callers may have.
check-oldest: .venv-protos/.installed
	@PYTHONPATH=protos:clients $(PROTOS_BIN)/python -W error -c 'import danbao.v1, importlib, pkgutil, danbao_client.webhooks; \
		[importlib.import_module(m.name) for m in pkgutil.iter_modules(danbao.v1.__path__, "danbao.v1.")]'

# What is published: built, looked through, installed alone, and imported with the oldest and the newest versions.
check-wheel: .venv/.installed .venv-protos/.installed
	@$(BIN)/pytest -q -m 'wheel and not soak' --durations=0 tests/wheel

check-imports: .venv/.installed
	@$(BIN)/lint-imports --no-logo

# Left out: dropping tables (that is what a way down does), int and smallint (for codes and counts; amounts and versions
# are bigint), timeouts (the runner sets them on its connection).
check-migrations: .venv/.installed
	@$(BIN)/squawk --pg-version 18 --assume-in-transaction \
		--exclude ban-drop-table,prefer-bigint-over-int,prefer-bigint-over-smallint \
		--exclude require-lock-timeout,require-statement-timeout \
		core/danbao_core/migrations/*.sql

check-compose: .venv/.installed
	@$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml

clean:
	rm -rf clients/examples/node/node_modules
	rm -rf .venv .venv-protos .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis build dist
	find protos core workers clients tests -name __pycache__ -type d -prune -exec rm -rf {} +

# --- Environments ---------------------------------------------------------------------------------------------------
# The stamp of a finished environment holds the folder that it was made in. Where it is missing (an installation was
# interrupted), names another folder (the checkout was moved) or the interpreter is gone, the environment is made anew.

define drop_stale_stamp
[ "$$(cat $(1)/.installed 2>/dev/null)" = "$(CURDIR)" ] && $(1)/bin/python -c '' 2>/dev/null || rm -f $(1)/.installed
endef
IGNORED := $(shell $(call drop_stale_stamp,.venv); $(call drop_stale_stamp,.venv-protos))

# $(call environment,FOLDER,PIP ARGUMENTS)
define environment
@command -v "$(PYTHON)" >/dev/null || { \
	echo "There is no '$(PYTHON)'. Install Python 3.11 or later (Debian, Ubuntu: apt install python3 python3-venv)," >&2; \
	echo "or name one that is elsewhere: make PYTHON=/path/to/python3.12 ..." >&2; exit 1; }
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	echo "'$(PYTHON)' is $$($(PYTHON) --version 2>&1); Danbao needs Python 3.11 or later." >&2; \
	echo "Name a newer one: make PYTHON=python3.12 ..." >&2; exit 1; }
@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	echo "'$(PYTHON)' cannot make virtual environments: its venv or ensurepip is missing." >&2; \
	echo "On Debian and Ubuntu: apt install python3-venv. Then run make again," >&2; \
	echo "or name another Python: make PYTHON=/path/to/python3.12 ..." >&2; exit 1; }
@echo "Installing into $(1) ..."
@if [ -f $(1)/.installed ]; then rm $(1)/.installed; else rm -rf $(1) && $(PYTHON) -m venv $(1); fi
@if [ -t 1 ]; then quiet=; else quiet=-q; fi; $(1)/bin/python -m pip install $$quiet $(2)
@echo "$(CURDIR)" >$(1)/.installed
endef

.venv/.installed: pyproject.toml
	$(call environment,.venv,--editable '$(EVERYTHING)')

clients/examples/node/node_modules/.package-lock.json: clients/examples/node/package-lock.json
	@echo "Installing into clients/examples/node ..."
	@npm ci --prefix clients/examples/node --ignore-scripts --no-audit --no-fund --loglevel error || \
		echo "The example for Node cannot be installed here: its test is left out." >&2

.venv-protos/.installed: protos/requirements.txt
	$(call environment,.venv-protos,--requirement protos/requirements.txt)
