# Each target sets up what it needs; PYTHON must be 3.11 or newer.
PYTHON ?= python3
VENV ?= .venv
# PyTorch's own CPU builds, on machines where pip would fetch gigabytes of CUDA: see README, "Installing".
TORCH_INDEX ?=
BIN := $(VENV)/bin

.PHONY: demo test slow lint bench docs clean

demo: $(VENV)/.ready            ## compare the installed libraries, train the recommended one, read a page
	$(BIN)/quintet demo

test: $(VENV)/.ready            ## every test that is not marked slow
	$(BIN)/python -m pytest -m "not slow"

slow: $(VENV)/.ready            ## the long tests as well
	$(BIN)/python -m pytest

lint: $(VENV)/.ready            ## ruff and pyright
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/pyright --pythonpath $(BIN)/python

bench: $(VENV)/.ready           ## the benchmarks of docs/results, which take long
	$(BIN)/python benchmarks/overhead.py && $(BIN)/python benchmarks/time_to_99.py

docs: $(VENV)/.ready            ## check that the documentation is true: commands, settings, links, examples
	$(BIN)/python -m pytest tests/docs

clean:                          ## remove what `make` and the demo made
	rm -rf $(VENV) quintet-demo quintet-results quintet-models .pytest_cache .ruff_cache .hypothesis

# torch comes first and alone: whatever else asks for it must find this very build.
$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'received Python %d.%d, expected 3.11 or newer: make PYTHON=python3.11' % sys.version_info[:2])"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) -c constraints.txt torch
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e ".[libraries,dev]"
	touch $@
