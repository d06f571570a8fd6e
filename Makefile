# Daily life with Hydrascope. `make help` lists what there is; ARGS is passed on: make test ARGS="-k direction"
PYTHON ?= python3
ARGS ?=
MODEL ?=
# Tests run in so many processes at once, each with one thread of torch. A file's tests stay in one process, because
# they share what is slow to make: a server, a loaded model, a whole run.
WORKERS ?= 2
VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: help run test test-fast test-real soak check audit-packages bench bench-gpu demo manifest docs clean base
# A recipe that fails half-way leaves no stamp that says it is done.
.DELETE_ON_ERROR:

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# With MODEL=NAME the pages open on that model, and the demo is not prepared.
run: $(if $(MODEL),$(VENV)/.installed,base) ## install what is missing, prepare the demo or MODEL=NAME, and start the page
	@$(PY) -m core run $(if $(MODEL),--model $(MODEL)) $(ARGS)

test: $(VENV)/.installed-dev base ## all tests, in two processes; the browser ones where Chromium is
	@$(PY) -m pytest -rs -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "not real and not soak" $(ARGS)

test-real: $(VENV)/.installed-dev ## tests with real models' weights, where their files are; no part of CI
	@$(PY) -m pytest -rs -s -m real tests/real $(ARGS)

soak: $(VENV)/.installed-dev base ## the long tests of what must not break (hours), and a table of what they found
	@$(PY) -m pytest -rs -m soak tests/adversity $(ARGS); ended=$$?; $(PY) -m tests.adversity.report; exit $$ended

test-fast: $(VENV)/.installed-dev base ## the tests that need no browser and few seconds; for daily life
	@$(PY) -m pytest -rs -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "not browser and not slow and not real and not soak" $(ARGS)

check: $(VENV)/.installed-dev ## format, lint and types
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m mypy

audit-packages: | $(PY) ## known vulnerabilities of the pinned packages (pip-audit), or that nobody could be asked
	@{ test -d $(VENV)/audit || $(PYTHON) -m venv $(VENV)/audit; } && \
		$(VENV)/audit/bin/python -m pip --disable-pip-version-check --quiet install pip-audit==2.10.1 || { \
		echo "Not checked: pip-audit cannot be installed here. This says nothing about the packages."; exit 2; }
	@$(VENV)/audit/bin/python scripts/packages/audit.py

bench: base ## the speed table, measured on this machine
	@$(PY) -m benchmarks $(ARGS)

bench-gpu: base ## the same on CUDA, and whether its numbers are the CPU's
	@$(PY) -m benchmarks --parts gpu $(ARGS)

demo: base ## make the demo model's adapter, SAEs and labels again, from nothing (about two and a half hours)
	@$(PY) scripts/demo/make.py $(ARGS)

manifest: $(VENV)/.installed ## write assets/SHA256SUMS again, after a change of the shipped files
	@$(PY) -m core.shipped_files > assets/SHA256SUMS.new && mv assets/SHA256SUMS.new assets/SHA256SUMS

docs: $(VENV)/.installed ## write docs/configuration.md and docs/cli.md again, from the code
	@$(PY) -m core.settings > docs/configuration.md
	@$(PY) -m core.commands.reference > docs/cli.md

clean: ## remove what make and the tools made; the cache (models, your runs) stays
	@rm -rf $(VENV) .pytest_cache .hypothesis .mypy_cache .ruff_cache benchmarks/out
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

base: $(VENV)/.installed
	@$(PY) -m core prepare

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make run PYTHON=python3.11")'
	@echo "Making a virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)

# torch first and alone, so that no other package's range can choose a larger build of it.
$(VENV)/.installed: requirements.txt | $(PY)
	@echo "Installing the pinned requirements (some minutes, the first time)"
	@$(PIP) install "$$(grep '^torch==' requirements.txt)"
	@$(PIP) install -r requirements.txt
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed
	@$(PIP) install -r requirements-dev.txt
	@touch $@
