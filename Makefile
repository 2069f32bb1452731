# Each target makes its own environment in .venv; a machine needs Python 3.11 or newer and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
SCALE  ?= 1
.DEFAULT_GOAL := help

.PHONY: help demo test check prove bench lock clean

help:
	@echo "make demo    a real etcd cluster to break and repair, in your browser; no Slack account needed"
	@echo "make test    every test, against real etcd, supervisord and chromium"
	@echo "make check   formatting, lint, types and import direction"
	@echo "make prove   the large counts: races, crashes, power cuts, kills … (SCALE=0.1 for a tenth)"
	@echo "make bench   what things cost, against budgets that are ratios to a floor measured in the same run"
	@echo "make lock    resolve the dependencies anew (maintainers)"

demo: $(VENV)/.demo
	@$(BIN)/operator demo

test: $(VENV)/.dev
	$(BIN)/pytest --numprocesses=auto --dist=loadscope

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

prove: $(VENV)/.dev
	$(BIN)/python -m tests.prove --scale $(SCALE)

bench: $(VENV)/.dev
	$(BIN)/python -m tests.bench

lock: $(VENV)/.dev
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header \
		--extra demo requirements.in pyproject.toml --output-file requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header \
		--extra dev requirements.in pyproject.toml --output-file requirements-dev.lock

clean:
	rm -rf $(VENV)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("operator-bot needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Set PYTHON=/path/to/python3.11.") if sys.version_info < (3, 11) else None'
	@echo "Making $(VENV) …"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: requirements.lock pyproject.toml | $(BIN)/python
	@echo "Installing locked dependencies (once, about half a minute) …"
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements-dev.lock pyproject.toml | $(BIN)/python
	@echo "Installing locked dependencies (once, about a minute) …"
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-dev.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@ $(VENV)/.demo
