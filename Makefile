# slimfab. Every target sets up what it needs by itself; `make help` lists them.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install pynq data lint test test-slow test-all test-rtl demo board-demo dist clean

PYTHON ?= python3
PIP_ARGS ?=
PYTEST_ARGS ?=
WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PYNQ := .venv-pynq
PYNQ_OLDER := 3.1.2 3.0.1
RECIPE ?= slimfab/recipes/fashion_resnet8.yaml

export PYTHON
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Idle OpenMP threads sleep instead of spinning: on a busy machine spinning makes two threads slower than one.
export OMP_WAIT_POLICY := PASSIVE
unexport PYTHONPATH PYTHONHOME

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  variables: PYTHON=python3.12   PIP_ARGS='--index-url …'   PYTEST_ARGS='-k fixed'   WORKERS=2   RECIPE=my.yaml"

install: $(INSTALLED) ## create .venv with slimfab (editable), all extras and the development tools, at pinned versions

# Again whenever one of the two files changes; pip keeps what already fits.
$(INSTALLED): pyproject.toml constraints.txt
	@.ci/system-packages python3-venv g++
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "$(PYTHON): expected Python 3.11 or newer; install it (Debian: apt-get install python3 python3-venv) or name one: make PYTHON=python3.12" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || "$(PYTHON)" -m venv --clear $(VENV)
	$(BIN)/python -m pip install --progress-bar off $(PIP_ARGS) -e '.[all,dev]' -c constraints.txt \
	    | { grep -v '^Requirement already satisfied' || true; }
	@touch $@

pynq: $(PYNQ)/.installed ## create .venv-pynq with three versions of pynq, unmodified, for the emulated board

# Of its own, because pynq wants another numpy. The older versions need no other packages.
$(PYNQ)/.installed: boards/emulated/pynq.txt
	@.ci/system-packages python3-venv
	"$(PYTHON)" -m venv --clear $(PYNQ)
	$(PYNQ)/bin/python -m pip install -q --progress-bar off $(PIP_ARGS) -r $<
	for version in $(PYNQ_OLDER); do \
	    $(PYNQ)/bin/python -m pip install -q --progress-bar off $(PIP_ARGS) --no-deps \
	        --target $(PYNQ)/pynq-$$version pynq==$$version || exit 1; \
	done
	@touch $@

data: install ## fetch Fashion-MNIST: as a Debian package where that is possible, else from its official source
	@$(BIN)/python -c 'from slimfab import datasets; datasets.load("fashion_mnist")' 2>/dev/null || { \
	    .ci/system-packages --optional dataset-fashion-mnist; \
	    $(BIN)/python -c 'from slimfab import datasets; datasets.load("fashion_mnist", download=True)' 2>&1 | tail -n 1; }

lint: install ## ruff over everything (rules and format), mypy --strict over hwsim, hls and boards
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy

# One file stays in one process, so that what its tests share is made once.
PARALLEL = -n $(WORKERS) --dist loadfile
# Tests run on one thread: they are small, and several may run side by side.
test test-slow test-all test-rtl: export OMP_NUM_THREADS := 1

test: install pynq ## run the default test suite (PYTEST_ARGS adds options)
	@.ci/system-packages --optional dataset-fashion-mnist chromium iverilog yosys python3-tk
	$(BIN)/python -m pytest $(PARALLEL) $(PYTEST_ARGS)

test-slow: install pynq ## run only the tests marked slow
	@.ci/system-packages --optional dataset-fashion-mnist chromium iverilog yosys python3-tk
	$(BIN)/python -m pytest -m slow $(PARALLEL) $(PYTEST_ARGS)

test-all: install pynq ## run the default suite and the tests marked slow
	@.ci/system-packages --optional dataset-fashion-mnist chromium iverilog yosys python3-tk
	$(BIN)/python -m pytest -m "slow or not slow" $(PARALLEL) $(PYTEST_ARGS)

# Whatever simulates or checks SystemVerilog with Verilator, and the kernel and shells around it.
RTL_TESTS = $(shell grep -l verilator tests/test_hls_*.py tests/test_boards_vivado_*.py)

test-rtl: install ## run all tests of the SystemVerilog, slow ones too: every template, whole networks, the benches
	@.ci/system-packages --optional iverilog yosys
	$(BIN)/python -m pytest -m "slow or not slow" $(PARALLEL) $(PYTEST_ARGS) $(RTL_TESTS)

demo: install data ## Fashion-MNIST end to end: train, prune, quantise, build with hls4ml, verify, compare, report
	$(BIN)/slimfab run "$(RECIPE)" --output build/demo

# Digits, because they need no download; trained once, and again only when the recipe changes.
board-demo: install pynq ## an accelerator of the demo kind on the emulated Pynq-Z2, through unmodified pynq of three versions
	$(BIN)/slimfab run slimfab/recipes/digits_vgg_tiny.yaml --output build/board-demo --until export
	for version in $(PYNQ_OLDER); do \
	    $(BIN)/slimfab deploy build/board-demo/06-export/golden --emulate --pynq $$version --images 1000 \
	        --output build/board-demo/pynq-$$version || exit 1; \
	done
	$(BIN)/slimfab deploy build/board-demo/06-export/golden --emulate --images 1000 --measure --output build/board-demo/pynq-4.0.0

dist: install ## build the source archive and the wheel in dist/
	$(BIN)/python -m build --no-isolation

clean: ## remove build results and caches; .venv stays
	rm -rf build dist *.egg-info .pytest_cache .hypothesis .mypy_cache .ruff_cache .coverage htmlcov
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
