# distilbench: `make demo` and `make test` do all set-up themselves, in .venv.
# `make test` is for every change, in minutes; `make proofs` holds the tests that take long, and searches
# for examples that the quick ones have not tried. CI runs both.
#
#   PYTHON       the interpreter to start from (default python3; 3.11 to 3.14)
#   TORCH_INDEX  the package index to take torch from. By default it is PyTorch's index of CPU builds, if that
#                answers within 3 seconds: PyPI's torch for Linux is a CUDA build of several gigabytes. To get that one:
#                  make demo TORCH_INDEX=https://pypi.org/simple
#   WORKERS      how many processes share the tests, such as WORKERS=4 or, for one after the other, WORKERS=0;
#                by default three for two cores, since many tests wait, and at most eight, since each that builds
#                models takes a gigabyte
#   DEMO         further options of the demo, such as DEMO="--limit 20"
#   SPLIT, LIMIT, PRECISION, STUDY   of `make study`: validation (default) or train, a sample of so many
#                questions, such as PRECISION=fp32,int8, and further options
#   ARM64        further options of `make arm64`, the proof on ARM, and of `make installer`, which is the same on
#                this machine's architecture: they need root, debootstrap and, for ARM, qemu-user-static
#   JOINING      further options of `make joining`, which lets a clean Debian join a hub: it needs root, debootstrap
#                and Mosquitto
#   BENCH        the benchmark to run, such as BENCH=score, or BENCH='score --pairs 100' with options; without it
#                `make bench` lists the benchmarks

PYTHON ?= python3
TORCH_INDEX ?=
WORKERS ?= $(shell cores=$$(getconf _NPROCESSORS_ONLN); echo $$((cores + cores / 2)))
DEMO ?=
SPLIT ?=
LIMIT ?=
PRECISION ?=
STUDY ?=
BENCH ?=
JOINING ?=
NEEDED_GB := 6

BIN := .venv/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --constraint constraints.txt

PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --maxprocesses 8 --dist worksteal

# Programs start and tests are collected faster with what Python has compiled before.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo study test proofs check arm64 installer joining bench clean
.DELETE_ON_ERROR:

demo: .venv/ready
	@$(BIN)/python -m demo $(DEMO)

study: .venv/ready
	@$(BIN)/python -m demo.study $(if $(SPLIT),--split $(SPLIT)) $(if $(LIMIT),--limit $(LIMIT)) \
		$(if $(PRECISION),--precision $(PRECISION)) $(STUDY)

test: check
	$(PYTEST)

proofs: .venv/ready
	$(PYTEST) -m 'proof or hypothesis' --hypothesis-profile searching --timeout 1800

check: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

arm64: .venv/ready
	$(BIN)/python -m pytest -q tests/arm64/registry.py
	$(BIN)/python -m tests.arm64 --table docs/arm64.md $(ARM64)

installer: .venv/ready
	$(BIN)/python -m tests.arm64 --machine $$(uname -m) --limit 6 $(ARM64)

joining: .venv/ready
	$(BIN)/python -m tests.joining $(JOINING)

bench: .venv/ready
	@$(BIN)/python -m bench$(if $(BENCH),.$(BENCH))

clean:
	rm -rf .venv .venv-* demo-results study-results dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

.venv/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo \
	"distilbench needs Python 3.11 or later, and '$(PYTHON)' is not: name one, such as make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo \
	"'$(PYTHON)' lacks its venv module: install it (Debian and Ubuntu: sudo apt install python3-venv)" >&2; exit 1; }
	@test -d .venv || test "$$(df -Pk . | awk 'NR==2 {print $$4}')" -ge $$(( $(NEEDED_GB) * 1048576 )) || { echo \
	"distilbench needs $(NEEDED_GB) GB here for its environment and the demo's models: free some, or clone it on a larger disk" >&2; exit 1; }
	@echo "setting up .venv (once; a few minutes)" >&2
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@index='$(TORCH_INDEX)'; index=$${index:-$$($(PYTHON) -m demo.torch_index)}; \
	$(PIP_INSTALL) $${index:+--extra-index-url "$$index"} --editable '.[demo]' --group dev
	@touch $@
