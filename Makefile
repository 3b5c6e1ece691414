# Everything is built into .venv from requirements/dev.lock, and into var/; `make help` lists it.

# The interpreter from which .venv is made.
PYTHON ?= $(firstword $(shell command -v python3.11) $(shell command -v python3) python3)
PORT ?= 8000

BIN := .venv/bin
INSTALLED := .venv/installed.lock
DEVELOPMENT := env -u DATABASE_URL STIPEND_MODE=development DJANGO_SETTINGS_MODULE=config.settings
PYTEST := $(BIN)/python -m pytest --numprocesses auto

# What docs/settings.md calls the least a production needs, with values nobody uses.
PRODUCTION := env -i PATH="$$PATH" HOME="$$HOME" DJANGO_SETTINGS_MODULE=config.settings \
	SECRET_KEY=an-example-of-a-key-that-is-long-enough-to-be-accepted-0123456789 \
	DATABASE_URL=postgres://stipend@localhost/stipend ALLOWED_HOSTS=stipend.example.com

.DEFAULT_GOAL := help
.PHONY: help demo demo-reset test test-sqlite test-postgres lint format types coverage mutants laws \
	fuzz screenshots bench lock clean

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' Makefile | column -t -s '|' 2>/dev/null \
		|| sed -n 's/^\([a-z-]*\):.*## /\1: /p' Makefile

# Exported, so that make starts Python itself: a shell between them would swallow signals.
demo demo-reset: export PORT := $(PORT)

demo: $(INSTALLED) ## Site with sample data and worker, on http://127.0.0.1:$PORT/ (8000)
	@$(BIN)/python -m scripts.demo

demo-reset: $(INSTALLED) ## The same, with fresh data
	@$(BIN)/python -m scripts.demo --reset

test: lint types test-sqlite test-postgres ## Everything that has to be right, on both databases

test-sqlite: $(INSTALLED) ## The tests, on SQLite
	env -u DATABASE_URL $(PYTEST) $(ARGS)

test-postgres: $(INSTALLED) ## The tests, on a private PostgreSQL
	$(BIN)/python -m tests.with_postgres $(PYTEST) $(ARGS)

lint: $(INSTALLED) ## Style, format, import contracts, migrations, production settings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	find templates -name '*.html' -exec $(BIN)/djade --check {} +
	$(BIN)/lint-imports --no-logo
	$(DEVELOPMENT) $(BIN)/python manage.py makemigrations --check --dry-run
	$(PRODUCTION) $(BIN)/python -W error manage.py check --deploy --fail-level WARNING

format: $(INSTALLED) ## Format code and templates
	$(BIN)/ruff check --fix --exit-zero .
	$(BIN)/ruff format .
	-find templates -name '*.html' -exec $(BIN)/djade {} +

types: $(INSTALLED) ## Types
	$(BIN)/mypy

# What only PostgreSQL does counts, too.
coverage: $(INSTALLED) ## Branches of the credit engine that no test takes; fails below 98 %
	env -u DATABASE_URL $(PYTEST) --cov --cov-report= --cov-fail-under=0 \
		tests/credits tests/scenarios tests/subscriptions/test_periods.py $(ARGS)
	$(BIN)/python -m tests.with_postgres $(PYTEST) --cov --cov-append --cov-report=term \
		tests/credits/test_consumption.py tests/credits/test_ledger.py $(ARGS)

mutants: $(INSTALLED) ## Would the tests of the credit engine notice a wrong line? (an hour)
	nice $(BIN)/python -m scripts.mutants $(ARGS)

laws: $(INSTALLED) ## The laws of the credit engine, over thousands of histories
	env -u DATABASE_URL HYPOTHESIS_PROFILE=long nice $(PYTEST) tests/properties $(ARGS)

# Two hundred of each kind per operation; FUZZ=2000 makes more.
fuzz: export FUZZ ?= 200
fuzz: $(INSTALLED) ## Requests made from the OpenAPI document, by the thousand, on both databases
	env -u DATABASE_URL nice $(PYTEST) tests/contract/test_fuzz.py $(ARGS)
	nice $(BIN)/python -m tests.with_postgres $(PYTEST) tests/contract/test_fuzz.py $(ARGS)

screenshots: $(INSTALLED) ## Pictures of every screen, from a fresh demo; with ARGS=--docs those of docs/
	$(BIN)/python -m scripts.screenshots $(ARGS)

bench: $(INSTALLED) ## Speed, beside the limits of this machine
	$(BIN)/python -m benchmarks $(ARGS)

lock: ## Pin every package again, after a change in pyproject.toml
	$(PYTHON) -m venv var/uv && var/uv/bin/pip install --quiet uv
	$(LOCK) --extra postgres --output-file requirements/prod.lock
	$(LOCK) --extra dev --constraint requirements/prod.lock --output-file requirements/dev.lock
	rm -rf var/uv

LOCK := var/uv/bin/uv pip compile pyproject.toml --quiet --upgrade --universal \
	--python-version 3.11 --generate-hashes --no-header --no-annotate

clean: ## Remove all that was built here, the demo's data included
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	find var -mindepth 1 ! -name .gitignore -delete

$(INSTALLED): requirements/dev.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo 'Stipend needs Python 3.11 or newer; name it with PYTHON=/path/to/python3.11.'; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' \
		|| { echo 'This Python cannot make environments: on Debian, apt-get install python3-venv.'; exit 1; }
	@echo 'Installing the packages of requirements/dev.lock into .venv ...'
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes --requirement requirements/dev.lock
	@cp requirements/dev.lock $(INSTALLED)
