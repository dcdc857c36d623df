# make demo and make test do everything on a fresh machine with Python >= 3.11.
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
CORES := $(shell $(PYTHON) -c 'import os; print(os.cpu_count())')
# one BLAS thread in each test process: the tests themselves run in parallel
TEST_ENV := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1

.PHONY: env demo test lint bench bench-stores bench-race bench-peers data browser servers crash clean

env: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Luthier needs Python >= 3.11; $(PYTHON) is $$($(PYTHON) --version). Try: make PYTHON=python3.11"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

demo: env
	$(BIN)/luthier tune image --data digits --trials 40 --jobs $(CORES) --out runs/demo --fresh

test: env browser servers
	$(TEST_ENV) $(BIN)/python -m pytest -n $(CORES) --dist worksteal --cov --cov-report=term:skip-covered

lint: env
	$(BIN)/ruff format --check src tests bench examples
	$(BIN)/ruff check src tests bench examples
	$(BIN)/mypy
	$(BIN)/lint-imports

# shared stores while their workers and servers are killed: make crash ARGS="--minutes 3 --stores sqlite journal"
crash: env
	$(TEST_ENV) $(BIN)/python tests/crash/campaign.py $(ARGS)

bench: env
	$(BIN)/python bench/overhead.py

# the stores beside Optuna's: make bench-stores ARGS="--only sqlite load"
bench-stores: env
	PYTHONPATH=bench $(BIN)/python -m stores $(ARGS)

# tuners against each other: make bench-race ARGS="--peers luthier optuna-tpe --problems hpolib --seeds 5 --trials 50"
# other commands: make bench-race RACE=table (or check, list)
RACE ?= run
bench-race: env
	PYTHONPATH=bench $(BIN)/python -m race $(RACE) $(ARGS)

# peers whose dependencies clash, each in an environment of its own; one that fails leaves nothing behind
bench-peers: $(patsubst bench/race/environments/%.txt,.venv-peers/%/.installed,$(filter-out %.no-deps.txt,$(wildcard bench/race/environments/*.txt)))

.venv-peers/%/.installed: bench/race/environments/%.txt
	rm -rf $(@D)
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check -r $< || { rm -rf $(@D); exit 1; }
	if test -f $(<:.txt=.no-deps.txt); then \
	  $(@D)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r $(<:.txt=.no-deps.txt) || \
	    { rm -rf $(@D); exit 1; }; fi
	touch $@

# images of clothes, for `luthier tune image --data fashion-mnist` (Debian)
data:
	apt-get install -y dataset-fashion-mnist

# the report is tested in a real browser: Debian's Chromium is installed where that is possible
browser:
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || command -v chromium-browser >/dev/null || \
	  { command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ] && \
	    { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null; } || \
	    echo "No Chromium here: the browser tests are skipped (on CI they fail)."; }

# the stores on servers are tested on real ones: Debian's are installed where that is possible
servers:
	@{ ls /usr/lib/postgresql/*/bin/postgres || command -v postgres; } >/dev/null 2>&1 && \
	  { command -v mariadbd || test -x /usr/sbin/mariadbd; } >/dev/null 2>&1 || \
	  { command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ] && \
	    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	      postgresql mariadb-server >/dev/null; } || \
	    echo "No PostgreSQL or MariaDB here: their tests are skipped (on CI they fail)."; }

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage .coverage.* build dist
