# `make` creates .venv, installs symgrad into it and runs the demo. Each target sets up what it needs, once.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
RUN    := $(BIN)/python

SOURCES   := $(shell find symgrad compiler -type f -not -name '*.pyc')
NOTEBOOKS := $(wildcard notebooks/*.ipynb)

.DEFAULT_GOAL := demo
.DELETE_ON_ERROR:
.PHONY: demo help test lint types notebooks bench golden fuzz oldest wheel clean

demo: $(VENV)/installed              ## install and run the demo on Fisher's Iris data (the default)
	$(BIN)/symgrad demo

help:                                ## list the targets
	@sed -n 's/^\([a-z]*\):.*##/\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 12

test: $(VENV)/installed-dev          ## run the tests; ARGS="-k name" goes to pytest
	$(RUN) -m pytest $(ARGS)

lint: $(VENV)/installed-dev          ## check the style
	$(RUN) -m ruff check .

types: build/types/installed         ## check the types of an installed copy
	cd build/types && ../../$(RUN) -m mypy --config-file ../../pyproject.toml -p symgrad

notebooks: $(VENV)/installed-notebooks   ## run every notebook from top to bottom
	@for notebook in $(NOTEBOOKS); do $(BIN)/jupyter-execute --kernel_name=python3 $$notebook || exit; done

bench: $(VENV)/installed-dev         ## measure the speed beside the peers that are installed (pip install -e ".[bench]"); ARGS="--help"
	@for script in tests/benchmarks/bench_*.py; do $(RUN) $$script $(ARGS) || exit; done

golden: $(VENV)/installed-dev        ## rewrite the golden files from what the code says now; read the diff
	$(RUN) -m pytest --golden $(ARGS)

fuzz: $(VENV)/installed-dev          ## run the property tests with many more, random examples
	$(RUN) -m pytest -m hypothesis --hypothesis-profile=fuzz $(ARGS)

oldest:                              ## run the tests with the oldest dependencies that are supported
	$(MAKE) test VENV=.venv-oldest CONSTRAINTS='-c tests/packaging/oldest.txt'

wheel: $(VENV)/installed-dev         ## build the sdist, and from it the wheel, in dist/
	rm -rf dist
	$(RUN) -m build --no-isolation

clean:                               ## remove everything that make created
	rm -rf .venv .venv-oldest build dist symgrad.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find symgrad compiler tests -name __pycache__ -prune -exec rm -rf {} +

# Debian's Python may lack the pip that a virtual environment starts from; then the system's pip brings it.
$(VENV)/created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "symgrad needs Python 3.11 or later")'
	$(PYTHON) -m venv $(VENV) || { $(PYTHON) -m venv --clear --without-pip $(VENV) && \
	  $(PYTHON) -m pip --python $(RUN) install pip; }
	@touch $@

$(VENV)/installed: pyproject.toml | $(VENV)/created
	$(RUN) -m pip install -q -e . $(CONSTRAINTS)
	@touch $@

$(VENV)/installed-%: pyproject.toml | $(VENV)/created
	$(RUN) -m pip install -q -e '.[$*]' $(CONSTRAINTS)
	@touch $@ $(VENV)/installed

build/types/installed: $(SOURCES) pyproject.toml | $(VENV)/installed-dev
	rm -rf build/types
	$(RUN) -m build --no-isolation --outdir build/types .
	$(RUN) -m pip install -q --no-deps --no-index --target build/types build/types/symgrad-*.whl
	@touch $@
