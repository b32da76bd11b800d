# Commands for people who use or change AI Dashboard. `make help` lists them.
SHELL := /bin/bash
.ONESHELL:
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
DATA_DIR ?= .demo
PORT ?= 8080
TYPING := DJANGO_SETTINGS_MODULE=aidashboard.settings.typing

.PHONY: help
help: ## list the commands
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## (.*)/  \1\t\2/' | expand -t 18

.PHONY: runtime dev
runtime: # what running needs: locked packages, front-end assets
	@.ci/setup python runtime
	$(BIN)/python -m frontend.assets

dev: # what developing needs
	@.ci/setup python dev
	$(BIN)/python -m frontend.assets

.PHONY: setup
setup: dev ## install the locked packages, the front-end assets, Chromium and the sandbox's programs
	@.ci/setup browser
	$(BIN)/python -m sandbox build

.PHONY: demo
demo: runtime ## start everything with a simulated GPU cluster (DATA_DIR=, PORT=); Ctrl-C stops it
	@exec $(BIN)/aidashboard demo --data-dir "$(DATA_DIR)" --port "$(PORT)"

.PHONY: run
run: runtime ## start the product alone (DATA_DIR=, PORT=), to connect clusters of your own
	@exec $(BIN)/aidashboard up --data-dir "$(DATA_DIR)" --port "$(PORT)"

.PHONY: test
test: setup lint types imports checks ## everything that must hold before a change lands
	@$(BIN)/python -m frontend.assets test
	@# What shares neither cluster nor demo runs beside the rest, which mostly waits; its output comes at the end.
	@# The shell lets what it starts with & ignore Ctrl-C; env gives that back, to the tests and to what they start.
	@log=$$(mktemp); env --default-signal=INT --default-signal=QUIT $(BIN)/python -m pytest tests/unit tests/architecture tests/golden tests/integration tests/lifecycle >$$log 2>&1 & beside=$$!; \
	$(BIN)/python -m pytest tests/cluster tests/e2e; status=$$?; \
	wait $$beside || status=1; cat $$log; rm -f $$log; exit $$status

.PHONY: test-unit
test-unit: dev ## the tests without database, cluster and browser
	@exec $(BIN)/python -m pytest tests/unit

.PHONY: test-e2e
test-e2e: setup ## the journeys in the browser
	@exec $(BIN)/python -m pytest tests/e2e

.PHONY: lint
lint: dev ## ruff (rules and format) and djlint (templates)
	@$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/djlint --lint --quiet frontend/templates

.PHONY: fix
fix: dev ## let ruff and djlint mend what they can
	@$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: types
types: dev ## mypy, strict
	@$(BIN)/mypy .

.PHONY: imports
imports: dev ## the layers of ARCHITECTURE.md
	@$(BIN)/lint-imports --no-logo

.PHONY: checks
checks: dev # migrations, Django's own checks and the lock files agree with the code
	@$(TYPING) $(BIN)/python -W ignore manage.py makemigrations --check --dry-run
	$(TYPING) $(BIN)/python manage.py check

.PHONY: golden
golden: setup ## write the golden files anew; review the diff
	@UPDATE_GOLDEN=1 $(BIN)/pytest tests/golden

.PHONY: lock
lock: dev ## resolve and lock the dependencies anew
	@$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock

.PHONY: bench
bench: setup ## print the figures of bench/
	@exec $(BIN)/python -m bench

.PHONY: screenshots
screenshots: setup ## take the README's screenshots from a demo
	@exec $(BIN)/python -m bench.screenshots
