# make demo and make test do everything on a fresh machine with Python >= 3.11. Both use .venv: demo installs what it
# needs there (PyTorch, scikit-learn, plotly), and the others what a developer needs, on top of it.
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# as many as this process may use; read when a recipe needs it, from the Python that is then there
CORES = $(shell $(BIN)/python -c 'import os; print(len(getattr(os, "sched_getaffinity", lambda _: range(os.cpu_count()))(0)))')
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# one BLAS thread in each test process: the tests themselves run in parallel
TEST_ENV := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1

.PHONY: env env-demo demo test lint docs bench bench-stores bench-race bench-peers data browser servers crash clean

env: $(VENV)/.installed-dev
env-demo: $(VENV)/.installed-demo

$(VENV)/.installed-demo: EXTRAS := train,report
$(VENV)/.installed-dev: EXTRAS := dev
$(VENV)/.installed-%: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing what '$*' needs into $(VENV)"
	@$(PIP) -c constraints.txt -e '.[$(EXTRAS)]'
	@touch $@

# one that is half made (no ensurepip: Debian's python3 without python3-venv) does not stay
$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || \
	  { echo "There is no $(PYTHON) here. Luthier needs Python >= 3.11; name it: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Luthier needs Python >= 3.11; $(PYTHON) is $$($(PYTHON) --version 2>&1). Name a newer one: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "$(PYTHON) cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV) || { rm -f $@; exit 1; }

demo: env-demo
	$(BIN)/luthier tune image --data digits --trials 40 --jobs $(CORES) --out runs/demo --fresh

test: env browser servers
	$(TEST_ENV) $(BIN)/python -m pytest -n $(CORES) --dist worksteal --cov --cov-report=term:skip-covered

lint: env
	$(BIN)/ruff format --check src tests bench examples docs/site
	$(BIN)/ruff check src tests bench examples docs/site
	$(BIN)/mypy
	$(BIN)/lint-imports

# the guides and an API reference from docstrings, as a folder that opens offline: site/index.html
docs: env
	$(BIN)/python docs/site/make.py build/docs
	$(BIN)/zensical build --strict --clean

# shared stores while their workers and servers are killed: make crash ARGS="--minutes 3 --stores sqlite journal"
crash: env
	$(TEST_ENV) $(BIN)/python tests/crash/campaign.py $(ARGS)

bench: env
	$(BIN)/python -m bench.overhead

# the stores beside Optuna's: make bench-stores ARGS="--only sqlite load"
bench-stores: env
	$(BIN)/python -m bench.storage $(ARGS)

# tuners against each other: make bench-race ARGS="--peers luthier optuna-tpe --problems hpolib --seeds 5 --trials 50"
# other commands: make bench-race RACE=table (or check, list)
RACE ?= run
bench-race: env
	$(BIN)/python -m bench.race $(RACE) $(ARGS)

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
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage .coverage.* build dist site
