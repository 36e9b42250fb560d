# make demo    train a small real LoRA and watch it     make demo ARGS=--headless    without a screen
# make test    all tests                                make test ARGS='-k config'
# make test-fast  unit and screen tests, without those marked slow
# make lint    style, types, import rules               make bench                   the measurements (less than 5 minutes)
# make test-slurm  jobs on a private Slurm: needs root and `apt-get install slurm-wlm munge`, else skipped
# make torture faults at random moments of real trainings; make torture ARGS='--points 1000 --jobs 2 --seed 7'
# make fuzz    every reader against damaged files, an hour; make fuzz ARGS='--minutes 10 --only console'
# make soak    a million steps, compressed in time       make soak ARGS='floods lines'    floods and other torture
# make docs    pages and pictures of docs/              make docs ARGS=--pages          without the pictures
# make audit   known vulnerabilities of the packages, where the service can be reached
.DEFAULT_GOAL := help
.PHONY: help demo test test-fast test-slurm lint bench torture fuzz soak docs audit clean

VENV := .venv
PYTHON := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed
# the interpreter that makes the venv: 3.11 or newer
BASE_PYTHON ?= python3
ARGS ?=
# some shells set it: then each of the thousands of processes of the tests compiles every module again
unexport PYTHONDONTWRITEBYTECODE
# test processes side by side: most tests wait for processes and terminals
WORKERS ?= 5

help:
	@sed -n 's/^# make/make/p' Makefile

# Runs again when what is to be installed has changed.
$(INSTALLED): pyproject.toml constraints.txt
	@$(BASE_PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed: make BASE_PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	@test -x $(PYTHON) || $(BASE_PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV): this takes some minutes, once" >&2
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[embedded,dev]'
	@touch $@

demo: $(INSTALLED)
	@$(VENV)/bin/plasma-tui demo $(ARGS)

test: $(INSTALLED)
	@$(PYTHON) -m pytest -n $(WORKERS) --dist loadgroup $(ARGS)

test-fast: $(INSTALLED)
	@$(PYTHON) -m pytest -n $(WORKERS) --dist loadgroup -m 'not slow' tests/unit tests/screens $(ARGS)

test-slurm: $(INSTALLED)
	@$(PYTHON) -m pytest -rs tests/slurm $(ARGS)

lint: $(INSTALLED)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

bench: $(INSTALLED)
	@$(PYTHON) scripts/cold_start.py --repeat 4; imports=$$?; \
	  $(PYTHON) scripts/bench.py $(ARGS) && exit $$imports

torture: $(INSTALLED)
	@$(PYTHON) -m tests.torture $(ARGS)

# atheris has no wheel for every Python and system; without it the mutations are plain ones
fuzz: $(INSTALLED)
	@$(PYTHON) -c 'import atheris' 2>/dev/null || $(PYTHON) -m pip install --quiet \
	  --disable-pip-version-check --only-binary :all: atheris >/dev/null 2>&1 || true
	@$(PYTHON) -m tests.fuzz $(ARGS)

soak: $(INSTALLED)
	@$(PYTHON) -m tests.torture.$(or $(ARGS),soak)

docs: $(INSTALLED)
	@$(PYTHON) -m scripts.docs $(ARGS)

audit: $(INSTALLED)
	@$(PYTHON) scripts/audit.py

clean:
	rm -rf $(VENV) build dist demo plasma-demo .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
