# make demo | test | lint | docs | bench | clean
#
# Each target makes .venv and installs what it needs; a second run finds everything in place.
#   make PYTHON=python3.12 ...       use another Python
#   make TORCH='torch==...' ...      install another torch
#   make TORCH_INDEX=ADDRESS ...     look for torch in this package index, too
# A torch that is already in .venv is kept.

PYTHON ?= python3
TESTED_TORCH := $(shell sed -n 's/^\(torch==.*\)/\1/p' constraints.txt)
TORCH ?= $(TESTED_TORCH)
TORCH_INDEX ?=
PLATFORM := $(shell uname -sm)
NVIDIA := $(shell command -v nvidia-smi || ls -d /proc/driver/nvidia 2> /dev/null)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
OUT ?= out
PUBLIC := $(foreach folder,. applications baselines estimators spectral,$(wildcard src/skimage_tvflow/$(folder)/*.py)) \
	napari_plugin/napari_tvflow/functions.py
ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 NUMBA_NUM_THREADS=1

# What shows a window: nothing more on a desktop, xvfb-run on a machine without one.
SCREEN_PACKAGES := xvfb xauth libegl1 libfontconfig1 libdbus-1-3 libxkbcommon-x11-0 libxcb-cursor0 \
	libxcb-icccm4 libxcb-keysyms1 libxcb-shape0 libglib2.0-0
XVFB := $(shell command -v xvfb-run)
ON_DESKTOP := $(DISPLAY)$(WAYLAND_DISPLAY)$(filter Darwin%,$(PLATFORM))
SCREEN := $(if $(ON_DESKTOP),,$(if $(XVFB),xvfb-run -a -s "-screen 0 1600x1100x24",none))
REQUIRE_VIEWER_TESTS ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test viewer-tests lint docs bench calibrate examples screenshots clean
.SECONDARY:

help:
	@echo "make demo      compute the flow of a photograph: a table, a TIFF stack and a picture in $(OUT)/"
	@echo "make test      run all tests; those of the napari plugin need a display or xvfb-run"
	@echo "make examples  make the pictures of README.md again, by scripts of docs/examples"
	@echo "make screenshots  write pictures of the napari plugin to docs/images; needs the same"
	@echo "make lint      run ruff, mypy, codespell and the numpydoc validation"
	@echo "make docs      build the documentation, run its examples, check its links: $(OUT)/docs/index.html"
	@echo "make bench     compare speed, memory and accuracy with other packages: docs/benchmarks.md"
	@echo "make calibrate  find every tuned constant again, by the scripts of tests/calibration"
	@echo "make clean     remove everything that the other targets made"

demo: $(VENV)/.installed-plot
	$(BIN)/skimage-tvflow demo -o $(OUT)

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest
	$(BIN)/python -m pytest tests/napari_tvflow/model \
		napari_plugin/napari_tvflow/functions.py
	@$(MAKE) --no-print-directory viewer-tests

# NAPARI_STRICT_QT=raise makes a widget that is left over an error. With REQUIRE_VIEWER_TESTS=1 it is
# an error if these tests cannot run.
viewer-tests: $(VENV)/.installed-test
ifneq ($(SCREEN),none)
	NAPARI_STRICT_QT=raise $(SCREEN) $(BIN)/python -m pytest -o qt_api=pyqt6 \
		-p napari -p npe2 -p pytest-qt tests/napari_tvflow/viewer
else
	@echo "NOT RUN: tests/napari_tvflow/viewer, the tests of the napari plugin in a window. They need"
	@echo "         a display or xvfb-run (Debian, Ubuntu: apt install $(SCREEN_PACKAGES))"
	@test '$(REQUIRE_VIEWER_TESTS)' != 1
endif

screenshots: $(VENV)/.installed-test
ifneq ($(SCREEN),none)
	$(SCREEN) $(BIN)/python docs/napari_screenshots.py
else
	@echo "make screenshots needs a display or xvfb-run (apt install $(SCREEN_PACKAGES))"; exit 1
endif

lint: $(VENV)/.installed-lint
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/codespell
	$(BIN)/numpydoc lint $(PUBLIC)

examples: $(VENV)/.installed-plot
	$(BIN)/python docs/run_examples.py

# Warnings are errors, and every name that is mentioned must exist. The second line runs the examples of
# all pages and docstrings; the third checks links, alt texts, and that no page loads anything from
# elsewhere.
docs: $(VENV)/.installed-docs
	$(ONE_THREAD) $(BIN)/sphinx-build -W -n --keep-going -q -b html -d $(OUT)/docs-cache docs $(OUT)/docs
	$(ONE_THREAD) $(BIN)/sphinx-build -W -n --keep-going -q -b doctest -d $(OUT)/docs-cache docs $(OUT)/docs-doctest
	$(BIN)/python docs/check_site.py $(OUT)/docs
	@echo "the documentation is in $(OUT)/docs/index.html"

# One part: make bench PART=speed. Some of its cases: make bench PART=speed ONLY=T5. Every part saves
# its results, so the page always shows the latest ones of all parts, even if one part fails.
bench: $(VENV)/.peers
	$(ONE_THREAD) $(BIN)/python -m pytest tests/benchmarks$(if $(PART),/test_$(PART).py) \
		$(if $(ONLY),-k '$(ONLY)') -o timeout=0 --benchmark-timer=time.process_time \
		--benchmark-columns=min,rounds; \
	status=$$?; $(BIN)/python tests/benchmarks/report.py && exit $$status

# All scripts, one after the other, for hours; make calibrate ARGS=--quick takes minutes. A folder in
# ARGS adds images of your own.
calibrate: $(VENV)/.installed-test
	@for script in $(filter-out %/images.py %/tuning.py,$(wildcard tests/calibration/*.py)); do \
		echo "$$script"; $(ONE_THREAD) $(BIN)/python $$script $(ARGS) || exit 1; \
	done

clean:
	rm -rf $(VENV) $(OUT) build dist .pytest_cache .hypothesis .mypy_cache .ruff_cache .benchmarks
	rm -rf docs/auto_examples docs/pictures docs/api/generated docs/api/backreferences docs/sg_execution_times.rst
	find src napari_plugin tests docs -name __pycache__ -type d -prune -exec rm -rf {} +

# The project with one of its extras. The installation runs again when pyproject.toml or
# constraints.txt have changed.
$(VENV)/.installed-%: pyproject.toml constraints.txt $(VENV)/.torch
	@awk -F'==' 'function name(s) { s = tolower(s); gsub(/[-_.]+/, "-", s); return s } \
		FILENAME == ARGV[1] { kept[name($$1)]; next } \
		!(name($$1) in kept)' $(VENV)/.torch constraints.txt > $(VENV)/constraints.txt
	@echo "installing skimage-tvflow with its $* packages"
	@$(PIP) install --quiet -c $(VENV)/constraints.txt -e '.[$*]'
	@touch $@

# Two competitors in the benchmarks that an extra cannot install: deepinv without its dependencies,
# because we use one file of it, and proxTV, which is compiled here. The tables name a missing one.
$(VENV)/.peers: $(VENV)/.installed-bench
	@$(PIP) install --quiet --no-deps -c $(VENV)/constraints.txt deepinv \
		|| echo "the benchmarks go without deepinv"
	@$(PIP) install --quiet -c $(VENV)/constraints.txt prox-tv > $(VENV)/prox-tv.log 2>&1 \
		|| echo "the benchmarks go without proxTV, which needs a C++ compiler and the headers of" \
		"LAPACK (Debian, Ubuntu: apt install g++ liblapacke-dev); see $(VENV)/prox-tv.log"
	@touch $@

# Torch is installed first. This file then lists the packages whose versions are not ours to choose:
# torch alone, or everything in .venv if the user brought another torch.
#
# On Linux with x86 processors the usual torch brings gigabytes of CUDA libraries, which are of no use
# without an NVIDIA driver. So the CPU build is tried first: its version ends in "+cpu", and only some
# package indexes have it. pip shows its progress, as even the CPU build is large.
PIP_TORCH = $(PIP) install --progress-bar on $(if $(TORCH_INDEX),--extra-index-url '$(TORCH_INDEX)')
CUDA_UNUSED := $(if $(NVIDIA),,$(filter x86_64,$(PLATFORM)))

define CUDA_DOWNLOAD
The configured package index has no CPU build of torch: installing $(TORCH) with its CUDA
libraries, a download of 2 to 3 GB. This machine has no NVIDIA driver, so they will not be used.
For the CPU build (about 200 MB) stop now (Ctrl-C) and type
    make $(or $(MAKECMDGOALS),demo) TORCH_INDEX=ADDRESS
with the address that the installation page of PyTorch gives for Linux, pip and CPU.
endef
export CUDA_DOWNLOAD

$(VENV)/.torch: | $(BIN)/python
	@if $(BIN)/python -c 'import importlib.util, sys; sys.exit(not importlib.util.find_spec("torch"))'; then \
		echo "keeping the torch that is in $(VENV)"; \
		$(PIP) list --format=freeze > $@; \
	elif [ '$(TORCH)' != '$(TESTED_TORCH)' ]; then \
		echo "installing $(TORCH)"; \
		$(PIP_TORCH) '$(TORCH)' && $(PIP) list --format=freeze > $@; \
	elif [ -z '$(CUDA_UNUSED)' ]; then \
		echo "installing $(TORCH)$(if $(NVIDIA), with its CUDA libraries: a download of 2 to 3 GB)"; \
		$(PIP_TORCH) -c constraints.txt '$(TORCH)' && echo 'torch==' > $@; \
	else \
		echo "installing $(TORCH), CPU build: about 200 MB"; \
		if $(PIP_TORCH) -c constraints.txt '$(TORCH)+cpu' 2> $(VENV)/torch.log; then \
			echo 'torch==' > $@; \
		elif grep -q 'No matching distribution' $(VENV)/torch.log; then \
			echo "$$CUDA_DOWNLOAD"; \
			$(PIP_TORCH) -c constraints.txt '$(TORCH)' && echo 'torch==' > $@; \
		else \
			cat $(VENV)/torch.log >&2; exit 1; \
		fi; \
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
