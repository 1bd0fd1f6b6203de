# OTTB. `make` alone lists what there is.
PYTHON ?= python3
BIN := .venv/bin
CONFIG ?= config/sandbox.toml
TESTS ?= tests
WORKERS ?= 6
MINUTES ?= 30
# What `make test` leaves to `make attacks` and `make test-all`: each worker would read it to leave it out.
ELSEWHERE := attacks live
# Dozens of processes start from the same sources: where bytecode is not kept, each compiles them anew.
PYTEST := env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest --durations 10

.DEFAULT_GOAL := help
.PHONY: asterisk attacks help run test test-sites test-postgresql test-usb test-runner check test-all mutants soak states feeds types client schema bench fix clean setup setup-test

help: ## List the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

run: setup ## Set everything up and start the sandbox (Ctrl-C stops it)
	@$(BIN)/ottb up --config $(CONFIG)

test: setup-test ## Set everything up and run the tests (WORKERS: how many at once; most of them wait)
	@$(PYTEST) $(TESTS) $(ELSEWHERE:%=--ignore=tests/%) -m "not faults and not long and not sites and not postgresql and not umockdev and not isolated" -n $(WORKERS) --dist worksteal

test-sites: setup-test ## The stories on whole sites: every part of the interface, TLS, the commands of the pages, every route fuzzed
	@$(PYTEST) $(TESTS) -m sites -n 4 --dist loadfile

test-postgresql: TESTS = tests/ledger
test-postgresql: setup-test ## The ledger's tests on a PostgreSQL of their own (apt install postgresql)
	@$(PYTEST) $(TESTS) -m postgresql

test-usb: TESTS = tests/usb
test-usb: setup-test ## Plug USB hubs and phones that are not there (apt install umockdev)
	@$(PYTEST) $(TESTS) -m umockdev

test-runner: TESTS = tests/runner
test-runner: setup-test ## Steps of pipelines as another user, in bubblewrap and in cgroups (root, apt install bubblewrap)
	@$(PYTEST) $(TESTS) -m isolated

attacks: setup-test ## Attack a running system in the ways we know, and print what was tried (some of it needs root)
	@$(PYTEST) tests/attacks -n 5 --dist loadscope --no-loadscope-reorder

asterisk: setup ## Get a real Asterisk 22 for the sandbox and the tests (root, Debian, once a minute)
	@$(BIN)/python -m cli.site.asterisk

check: setup-test ## Lint and types
	@$(BIN)/ruff check .
	@$(BIN)/mypy

test-all: export OTTB_TEST_DEPTH ?= 4
test-all: test test-sites attacks test-postgresql test-usb test-runner ## Also the long ones: real adbd, Asterisk, PostgreSQL, umockdev, bubblewrap (root, Debian), process faults, mutants
	@OTTB_TEST_FAULTS=$${OTTB_TEST_FAULTS:-200} $(PYTEST) $(TESTS) -m "faults or live or long"
	@$(BIN)/python -m tests.mutants.run

soak: setup-test ## Have a sandbox at work for MINUTES (30) and print by how much its processes grow an hour
	@$(BIN)/python -m bench.soak $(MINUTES)

mutants: setup-test ## Plant bugs one at a time and see that each is caught (OTTB_MUTANTS=quick: some of them)
	@$(BIN)/python -m tests.mutants.run

types: setup-test ## Write the TypeScript types of the contract (console/contract)
	@$(BIN)/python -m gateway.openapi | console/contract/node_modules/.bin/openapi-typescript --output console/contract/generated.d.ts

client: setup-test ## Write the methods of the Python client (ottb_client) from the contract
	@$(BIN)/python -m gateway.python_client

schema: setup-test ## Write the JSON Schema of scripts (docs/script.schema.json) from the language
	@$(BIN)/python -m actors.script.schema > docs/script.schema.json

states: setup-test ## Write the state diagrams (docs/states.md) from the machines
	@$(BIN)/python -m tests.support.states > docs/states.md

feeds: setup-test ## Write the table of who hears what on the bus (docs/bus.md) from the contract
	@$(BIN)/python -m tests.support.feeds

bench: setup-test ## Measure against floors and peers, in one table
	@$(BIN)/python -m bench

fix: setup-test ## Mend what the linter can mend
	@$(BIN)/ruff check --fix .

clean: ## Remove what was made here: environment, state, caches
	rm -rf --one-file-system .venv .tools var tests/js/node_modules console/contract/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

setup:
	@$(PYTHON) cli/bootstrap.py run

setup-test:
	@$(PYTHON) cli/bootstrap.py test
