# make demo | test | lint | bench | clean. Each target makes .venv and installs what it needs; a second
# run finds all of it in place. Another Python: make PYTHON=python3.12 ...   Another torch: install it
# into .venv beforehand, or make TORCH='torch==...' ...; a torch that is there already is kept.

PYTHON ?= python3
TESTED_TORCH := $(shell sed -n 's/^\(torch==.*\)/\1/p' constraints.txt)
TORCH ?= $(TESTED_TORCH)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
OUT ?= out
ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 NUMBA_NUM_THREADS=1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test lint bench examples clean
.SECONDARY:

help:
	@echo "make demo    the flow of a real image: a table, a TIFF stack and a contact sheet in $(OUT)/"
	@echo "make test    all tests"
	@echo "make examples  the pictures of docs/examples, into docs/images"
	@echo "make lint    ruff, mypy, codespell, numpydoc validation"
	@echo "make bench   speed, memory and accuracy beside others', written to docs/benchmarks.md"
	@echo "make clean   remove what the other targets made"

demo: $(VENV)/.installed-plot
	$(BIN)/skimage-tvflow demo -o $(OUT)

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest

lint: $(VENV)/.installed-lint
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/codespell
	$(BIN)/numpydoc lint src/skimage_tvflow/*.py

examples: $(VENV)/.installed-plot
	$(BIN)/python docs/run_examples.py

# One part: make bench PART=speed; some of its cases: make bench PART=speed ONLY=T5. Every part keeps
# what it found, so the page has the latest of all of them, also where one has failed.
bench: $(VENV)/.peers
	$(ONE_THREAD) $(BIN)/python -m pytest tests/benchmarks$(if $(PART),/test_$(PART).py) \
		$(if $(ONLY),-k '$(ONLY)') -o timeout=0 --benchmark-timer=time.process_time \
		--benchmark-columns=min,rounds; \
	status=$$?; $(BIN)/python tests/benchmarks/report.py && exit $$status

clean:
	rm -rf $(VENV) $(OUT) build dist .pytest_cache .hypothesis .mypy_cache .ruff_cache .benchmarks
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

# The project with one of its extras. The stamp is older than pyproject.toml or constraints.txt when
# one of them has changed, and the installation runs again.
$(VENV)/.installed-%: pyproject.toml constraints.txt $(VENV)/.torch
	@awk -F'==' 'function name(s) { s = tolower(s); gsub(/[-_.]+/, "-", s); return s } \
		FILENAME == ARGV[1] { kept[name($$1)]; next } \
		!(name($$1) in kept)' $(VENV)/.torch constraints.txt > $(VENV)/constraints.txt
	$(PIP) install --quiet -c $(VENV)/constraints.txt -e '.[$*]'
	@touch $@

# Whom the benchmarks compare with, beyond what an extra can bring: deepinv without its dependencies,
# which ask for more than the one file that is wanted of it, and proxTV, which is compiled here. One
# that is missing is a line in the tables.
$(VENV)/.peers: $(VENV)/.installed-bench
	@$(PIP) install --quiet --no-deps -c $(VENV)/constraints.txt deepinv \
		|| echo "the benchmarks go without deepinv"
	@$(PIP) install --quiet -c $(VENV)/constraints.txt prox-tv > $(VENV)/prox-tv.log 2>&1 \
		|| echo "the benchmarks go without proxTV, which needs a C++ compiler and the headers of" \
		"LAPACK (Debian, Ubuntu: apt install g++ liblapacke-dev); see $(VENV)/prox-tv.log"
	@touch $@

# Torch comes first and alone. If somebody has put one into .venv (a CUDA build, say), it stays, and so
# do the versions it came with: this file then lists them, and their pins are left out above.
$(VENV)/.torch: | $(BIN)/python
	@if $(BIN)/python -c 'import importlib.util, sys; sys.exit(not importlib.util.find_spec("torch"))'; then \
		echo "keeping the torch that is in $(VENV)"; \
		$(PIP) list --format=freeze > $@; \
	elif [ '$(TORCH)' = '$(TESTED_TORCH)' ]; then \
		echo "installing $(TORCH)"; \
		$(PIP) install --quiet -c constraints.txt '$(TORCH)' && echo 'torch==' > $@; \
	else \
		echo "installing $(TORCH)"; \
		$(PIP) install --quiet '$(TORCH)' && $(PIP) list --format=freeze > $@; \
	fi

define NO_PYTHON
make: '$(PYTHON)' was not found; Python 3.11 or newer is needed.
      Install it (Debian, Ubuntu: apt install python3 python3-venv) or name yours: make PYTHON=python3.12 ...
endef
define OLD_PYTHON
make: '$(PYTHON)' is older than Python 3.11, which is needed.
      Install a newer one and name it: make PYTHON=python3.12 ...
endef
define NO_VENV
make: '$(PYTHON)' lacks its venv module or ensurepip, which make $(VENV).
      Install them (Debian, Ubuntu: apt install python3-venv) and call make again.
endef
export NO_PYTHON OLD_PYTHON NO_VENV

$(BIN)/python:
	@command -v $(PYTHON) > /dev/null || { echo "$$NO_PYTHON" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$$OLD_PYTHON" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null || { echo "$$NO_VENV" >&2; exit 1; }
	@echo "making $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "$$NO_VENV" >&2; exit 1; }
