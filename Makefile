# One command for each thing one does here; `make` alone lists them. All may be run again at any time.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help setup demo test check docs bench peers deb clean

say = @printf '==> %s\n'

help:  ## List the targets.
	@sed -n 's/^\([a-z]*\):.*##/\1 /p' $(MAKEFILE_LIST) | while read -r name text; do printf 'make %-7s %s\n' "$$name" "$$text"; done

# Scripts in a virtual environment know where it stands, so one that was moved or copied is made anew.
ifneq ($(shell cat $(STAMP) 2>/dev/null),$(CURDIR))
.PHONY: $(STAMP)
endif

$(STAMP): pyproject.toml
	$(say) 'setup: a virtual environment in $(VENV), with Postmill and its tools (a minute at the first time)'
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo 'Postmill needs Python 3.11 or newer; name one: make setup PYTHON=/path/to/python' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo 'Python lacks venv; on Debian: apt install python3-venv' >&2; exit 1; }
	@if [ "$$(cat $(STAMP) 2>/dev/null)" != '$(CURDIR)' ] || ! $(BIN)/python -m pip --version >/dev/null 2>&1; then $(PYTHON) -m venv --clear $(VENV); fi
	@$(BIN)/python -m pip install -qq --no-input --editable '.[dev]'
	@printf '%s' '$(CURDIR)' > $@

setup: $(STAMP)  ## Make the virtual environment .venv and install Postmill in it.
	$(say) 'setup: ready, in $(VENV)'

demo: $(STAMP)  ## See it work: sample mails through Postmill and four filters. MTA=postfix, ONCE=1.
	$(say) 'demo: sample mails through $(if $(MTA),$(MTA) and )Postmill and four filters$(if $(ONCE),, (Ctrl-C ends it))'
	@$(BIN)/postmill demo $(if $(MTA),--mta $(MTA)) $(if $(ONCE),--once) $(ARGS)

peers:  ## Install the real mail software that the tests use (Debian packages; needs root or sudo).
	$(say) 'peers: the real mail software that the tests use'
	@tests/stack/install.sh

test: $(STAMP)  ## Run every test, with real Postfix, Sendmail and milters.
	$(say) 'test: the real mail software that the tests use'
	@tests/stack/install.sh || { status=$$?; \
		if [ -n "$$POSTMILL_REQUIRE_PEERS" ]; then exit $$status; fi; \
		printf '==> %s\n' 'test: tests that need what is missing are skipped; to have it installed: sudo make peers'; }
	@if [ "$$(id -u)" != 0 ]; then printf '==> %s\n' \
		'test: only root can start a private Postfix, so the tests with it are skipped; to run them: sudo make test'; fi
	$(say) 'test: all tests'
	@$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile $(ARGS)

check: $(STAMP)  ## Lint, types, import contracts, fast tests, fresh docs: under two minutes.
	$(say) 'check: lint'
	@$(BIN)/ruff check --quiet .
	$(say) 'check: format'
	@$(BIN)/ruff format --check --quiet . || { $(BIN)/ruff format --check . ; exit 1; }
	$(say) 'check: types'
	@$(BIN)/mypy
	$(say) 'check: import contracts'
	@$(BIN)/lint-imports --no-logo 2>/dev/null || $(BIN)/lint-imports
	$(say) 'check: fast tests (all of them: make test)'
	@$(BIN)/python -m pytest --quiet --numprocesses auto -m 'not interop and not slow' $(ARGS)

docs: $(STAMP)  ## Write docs/reference/ anew from the code.
	$(say) 'docs: docs/reference/ from the code'
	@$(BIN)/python docs/generate.py

bench: $(STAMP)  ## Measure CPU, latency and memory beside the straight way, and print them.
	$(say) 'bench: sessions straight to the milters and through Postmill'
	@$(BIN)/python -m bench $(ARGS)

deb:  ## Build the Debian package in dist/, with Debian's own tools. REVISION=2, INSTALL=1 (as root).
	$(say) 'deb: the Debian package, in dist/'
	@REVISION='$(REVISION)' INSTALL='$(INSTALL)' packaging/build-deb

clean:  ## Remove what the other targets made.
	$(say) 'clean: $(VENV), caches, builds'
	@rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
