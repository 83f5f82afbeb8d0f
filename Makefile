# The commands of a fresh machine. `make demo` and `make test` install what they need (lab/setup.sh)
# on Debian 12 and 13, say so, and then do what they are called after.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup demo test live opensips-suite check bench soak clean

BIN := .venv/bin
# How long the demo runs (60s, 5m); empty means until Ctrl-C.
FOR ?=
# How long the soak runs, in minutes.
MINUTES ?= 30

help: ## show this list
	@awk -F ':.*## ' '/^[a-z -]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

setup: ## install Debian packages, the virtual environment and the lab's servers
	@lab/setup.sh

# On a terminal, job control (set -m) gives the demo its own foreground process group: Ctrl-C reaches the
# demo and not make, so the demo tidies up in peace and its end is no "make: *** Error". 130 means ended by
# Ctrl-C, as a demo without FOR is meant to end. Elsewhere the demo takes the shell's place (exec), so that
# a signal that make passes on reaches it.
demo: setup ## a real platform on this machine and Dialtone watching it (FOR=60s: for so long, then a verdict)
	@demo=($(BIN)/dialtone demo $(if $(FOR),--for $(FOR))); \
	[ -t 0 ] || exec "$${demo[@]}"; \
	set -m; code=0; "$${demo[@]}" || code=$$?; \
	[ $$code -ne 130 ] || [ -n "$(FOR)" ] || code=0; \
	exit $$code

check: setup ## the linters: ruff, mypy, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check ## the linters and every test that needs only quick local servers
	$(BIN)/pytest tests/unit -n auto -m "not live"
	$(BIN)/pytest tests/contract tests/integration -n 2 --dist loadfile -m "not live"

# pytest's exit code 5 means that no test was selected.
live: setup ## the suites on many real servers (under 50 minutes)
	@code=0; $(BIN)/pytest tests -m live || code=$$?; \
	if [ $$code -eq 5 ]; then echo "make live: there is no live suite yet, so nothing was tested" >&2; code=0; fi; \
	exit $$code

opensips-suite: setup ## the whole path against the opensips on PATH; the result is a file in benchmarks/opensips
	@$(BIN)/python -m benchmarks.opensips.suite

bench: ## what is measured and how to run it again, by hand
	@cat benchmarks/README.md

soak: setup ## the service under 20 calls a second for MINUTES=30: does anything of it grow?
	$(BIN)/python -m benchmarks.soak --minutes $(MINUTES)

clean: ## remove what set-up and the tools made here; data/ and the Debian packages stay
	rm -rf .venv .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
