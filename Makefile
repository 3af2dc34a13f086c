# make demo | test | lint | clean. Each target makes .venv and installs what it needs; a second run
# finds all of it in place. Another Python: make PYTHON=python3.12 ...   Another torch: install it
# into .venv beforehand, or make TORCH='torch==...' ...; a torch that is there already is kept.

PYTHON ?= python3
TESTED_TORCH := $(shell sed -n 's/^\(torch==.*\)/\1/p' constraints.txt)
TORCH ?= $(TESTED_TORCH)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
OUT ?= out

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test lint examples clean
.SECONDARY:

help:
	@echo "make demo    the flow of a real image: a table, a TIFF stack and a contact sheet in $(OUT)/"
	@echo "make test    all tests"
	@echo "make examples  the pictures of docs/examples, into docs/images"
	@echo "make lint    ruff, mypy, codespell, numpydoc validation"
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

clean:
	rm -rf $(VENV) $(OUT) build dist .pytest_cache .hypothesis .mypy_cache .ruff_cache
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

# The project with one of its extras. The stamp is older than pyproject.toml or constraints.txt when
# one of them has changed, and the installation runs again.
$(VENV)/.installed-%: pyproject.toml constraints.txt $(VENV)/.torch
	@awk -F'==' 'function name(s) { s = tolower(s); gsub(/[-_.]+/, "-", s); return s } \
		FILENAME == ARGV[1] { kept[name($$1)]; next } \
		!(name($$1) in kept)' $(VENV)/.torch constraints.txt > $(VENV)/constraints.txt
	$(PIP) install --quiet -c $(VENV)/constraints.txt -e '.[$*]'
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
