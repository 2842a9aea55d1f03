# The commands of this project. `make run` and `make test` do all the set-up themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8000

# What Python compiles is kept, whatever the shell says: the tests start some hundred processes.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install install-dev run admin dev test test-all test-fast image-test autobahn coverage explore lint format bench bench-quick hosts chaos chaos-hosts conformance-server clean

help:  ## say what there is
	@awk -F ':.*## *' '/^[a-z-]+:.*##/ { printf "%-22s%s\n", $$1, $$2 }' Makefile

$(VENV)/.installed: requirements.txt
	@scripts/install $(PYTHON) $(VENV) requirements.txt
	@touch $@

$(VENV)/.installed-dev: requirements.txt requirements-dev.txt
	@scripts/install $(PYTHON) $(VENV) requirements-dev.txt
	@touch $@ $(VENV)/.installed

install: $(VENV)/.installed  ## the virtual environment with what the server needs

install-dev: $(VENV)/.installed-dev  ## the same with what tests and checks need
	@scripts/test-requirements $(BIN)/python

run: install  ## install, migrate, serve (PORT, WORKERS, REDIS_URL, DATABASE_URL, DATA_DIR)
	@exec $(BIN)/python manage.py runcluster --migrate

admin: install  ## make an administrator, also while the server runs
	@$(BIN)/python manage.py migrate --verbosity 0
	@$(BIN)/python manage.py createsuperuser

dev: install  ## one process with autoreload, for development
	@$(BIN)/python manage.py migrate --verbosity 0
	@exec $(BIN)/python manage.py runserver $(PORT)

test: install-dev  ## everything but long faults and the container image, in four processes
	$(BIN)/pytest -n 4 --dist loadgroup --no-loadscope-reorder -m "not image and not long"

test-all: test  ## everything: then long faults, which want the machine for themselves, and the container image
	$(BIN)/pytest -n 2 --dist loadgroup --no-loadscope-reorder -m "long and not image"
	$(MAKE) image-test

test-fast: install-dev  ## without clusters, browsers, foreign clients and the container image
	$(BIN)/pytest -m "not cluster and not browser and not interop and not image and not long"

image-test: install-dev  ## build the container image, run it, chat (Debian, as root)
	@scripts/test-requirements $(BIN)/python image
	$(BIN)/pytest -m image tests/deployment

autobahn: install-dev  ## the WebSocket test suite of Autobahn, cases 1 to 10 (wants Python 2.7: PYTHON27 names it)
	$(BIN)/pytest tests/interop/test_autobahn.py

coverage: install-dev  ## lines and branches that the fast tests reach, servers that they start included (ALL=1: all tests)
	$(BIN)/coverage erase
	@# Measuring slows the code down, so a test of a time may fail here: `make test` judges, this only measures.
	-$(BIN)/coverage run -m pytest $(if $(ALL),-n 3 --dist loadgroup -m "not image",-m "not cluster and not browser and not interop and not image")
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

explore: install-dev  ## the property tests with examples that nobody has tried yet
	$(BIN)/pytest -n 2 tests/property --hypothesis-profile=default

lint: install-dev  ## style, types, import layers and circles, secrets and safe pages, dead code, migrations in step
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/import_circles.py reaktor accounts chat
	$(BIN)/python scripts/security_rules.py reaktor accounts chat
	$(BIN)/vulture
	$(BIN)/vulture reaktor accounts chat manage.py tests benchmarks scripts
	$(BIN)/python manage.py makemigrations --check --dry-run --settings=reaktor.settings.test

format: install-dev  ## rewrite in the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: install-dev  ## measure beside other servers, up to half an hour; writes benchmarks/RESULTS.md
	$(BIN)/python -m benchmarks

bench-quick: install-dev  ## the same with short rounds and few members, in three minutes; prints the tables
	$(BIN)/python -m benchmarks --quick

hosts: install-dev  ## three hosts of one chat on this machine, to click through and to stop (Linux, as root; PORT)
	@exec $(BIN)/python -m tests.faults.hosts

chaos-hosts: install-dev  ## faults on three hosts, one after another; hold everybody to the laws, and report (Linux, as root; SEED, FAULTS, MINUTES)
	$(BIN)/python -m tests.faults.chaos $(if $(SEED),--seed $(SEED)) --faults $(or $(FAULTS),60) --minutes $(or $(MINUTES),30)

chaos: install-dev  ## kill 50 workers under load, hold everybody to the guarantees, print what it cost
	$(BIN)/python -m tests.cluster.chaos

# The timings that the published Engine.IO and Socket.IO suites expect; each can be set from outside.
conformance-server: export ENGINEIO_PING_INTERVAL ?= 300ms
conformance-server: export ENGINEIO_PING_TIMEOUT ?= 200ms
conformance-server: export ENGINEIO_CONNECT_TIMEOUT ?= 1s
conformance-server: export ENGINEIO_MAX_PAYLOAD ?= 1000000
conformance-server: install  ## Engine.IO echo and Socket.IO test server for the published suites (PORT)
	@exec $(BIN)/python -m tests.support.conformance $(PORT)

clean:  ## remove what install and tests left
	rm -rf $(VENV) .autobahn node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
