# What can be done here. Two are for a new clone: `make quickstart` and `make test`.
# Each sets up what it needs under target/, and says what it is doing.

PYTHON  ?= python3
CARGO   ?= cargo
# The profile that the quickstart's binary is built with: release, or dev while working on it.
PROFILE ?= release

EXAMPLE := examples/breast-cancer
VENV    := target/venv
VPYTHON := $(VENV)/bin/python
PEERS   := target/peers
BUILT   := $(or $(CARGO_TARGET_DIR),target)
BINARY  := $(BUILT)/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))/assay
LOG     := target/test.log

FUZZ_SECONDS ?= 8
COVERAGE := -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
  -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
  --cfg fuzzing -Ccodegen-units=1
HOST = $(shell rustc -vV | sed -n 's/^host: //p')

# A pipe fails when any part of it does: what tests say is shown, and kept to be counted.
SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
KEEP        := 2>&1 | tee -a $(LOG)

# Compiled Python beside the sources would make the tree that is being attested look changed.
export PYTHONDONTWRITEBYTECODE := 1

.DEFAULT_GOAL := help
.PHONY: help quickstart test test-power fuzz bench bench-large audit tools softhsm

help:
	@echo "make quickstart  build assay, train a model with every step attested, promote it, attack it (first time: 12 minutes or less)"
	@echo "make test        everything that must hold: format, tests, lints, both feature sets, documents, the example"
	@echo "make test-power  cut the power under a service that is written to, 24 times (as root; a minute)"
	@echo "make fuzz        look for inputs that break a parser, FUZZ_SECONDS each (needs a C++ compiler)"
	@echo "make bench       measure, against raw probes of the same run; writes target/bench.json"
	@echo "make bench-large the same for a register of a million entries"
	@echo "make audit       licences, sources and bans of the dependencies (needs cargo-deny)"

quickstart: tools $(VENV)/.ready
	@echo; echo "==> building assay, profile $(PROFILE): minutes the first time, seconds after that"
	$(CARGO) build --locked --profile $(PROFILE)
	@echo; echo "==> running the example"
	$(VPYTHON) $(EXAMPLE)/run.py --assay $(BINARY) --work target/quickstart

# Tests come before clippy and before any plain build: that order compiles the dependencies once.
# The quickstart runs with the binary that the tests were run with, before another replaces it.
test: tools softhsm $(VENV)/.ready $(PEERS)/.ready
	@mkdir -p target && : > $(LOG)
	@echo; echo "==> format"
	$(CARGO) fmt --all --check
	@echo; echo "==> tests of all crates"
	$(CARGO) test --locked --workspace $(KEEP)
	@echo; echo "==> the example's programs"
	PYTHONPYCACHEPREFIX=$(CURDIR)/target/pycache $(VPYTHON) -W error -m compileall -q -f $(EXAMPLE)
	$(VPYTHON) -m unittest discover -s $(EXAMPLE) $(KEEP)
	@echo; echo "==> other people's programs read what Assay writes"
	ASSAY=$(abspath $(BUILT))/debug/assay $(PEERS)/bin/python -m unittest discover -s tests/peers $(KEEP)
	@echo; echo "==> the quickstart: one promotion and five attacks, a minute or two"
	$(VPYTHON) $(EXAMPLE)/run.py --assay $(BUILT)/debug/assay --work target/quickstart-test --quiet $(KEEP)
	@echo; echo "==> lints"
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	@echo; echo "==> the verifier alone: no server, no async runtime, no database"
	@! $(CARGO) tree --locked --no-default-features --edges normal --prefix none | grep -E '^(axum|rustls|server|sled|tokio|ureq) '
	$(CARGO) clippy --locked --no-default-features --all-targets -- -D warnings
	$(CARGO) test --locked --no-default-features $(KEEP)
	@echo; echo "==> documentation"
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps
	@awk '/^test result: ok/ {rust += $$4} /^Ran [0-9]+ tests? in/ {python += $$2} / answers as they should be/ {answers += $$1} \
	  END {printf "\n==> all is well: %d tests in Rust, %d in Python, %d answers of the quickstart\n", rust, python, answers}' $(LOG)

# Needs root, loop devices and ext4; where it has not got them it says so and is content.
test-power: tools
	@echo; echo "==> power cuts under a service, and a full disk"
	$(CARGO) test --locked --workspace --no-run
	@mkdir -p target
	$(BUILT)/debug/examples/submissions 20000 > target/submissions.jsonl
	$(PYTHON) tests/power/run.py --assay $(BUILT)/debug/assay --submissions target/submissions.jsonl

# What cargo-fuzz does, with the toolchain at hand: no sanitizer, for there is no unsafe code here.
fuzz: tools
	@echo; echo "==> fuzzing every parser, $(FUZZ_SECONDS) s each"
	CARGO_TARGET_DIR=$(abspath target/fuzz) RUSTFLAGS="$(COVERAGE)" \
	  $(CARGO) build --manifest-path fuzz/Cargo.toml --release --bins --target $(HOST)
	ASSAY_CORPUS=$(abspath fuzz/corpus) $(CARGO) test --locked -p server --lib write_seeds -- --ignored
	ASSAY_CORPUS=$(abspath fuzz/corpus) $(CARGO) test --locked -p policy --test layout --test rego write_seeds -- --ignored
	@for target in $$(ls fuzz/corpus); do \
	  echo "==> $$target"; mkdir -p fuzz/artifacts/$$target; \
	  target/fuzz/$(HOST)/release/$$target -max_total_time=$(FUZZ_SECONDS) -verbosity=0 -print_final_stats=1 \
	    -artifact_prefix=fuzz/artifacts/$$target/ fuzz/corpus/$$target; \
	done

bench: tools
	@echo; echo "==> measuring: ten minutes or less"
	$(CARGO) bench --locked --bench bench

bench-large: tools
	@echo; echo "==> measuring the register at a million entries: twenty minutes or less"
	$(CARGO) bench --locked --bench bench -- --only large

audit:
	@command -v cargo-deny >/dev/null || { echo "cargo-deny is missing: cargo install --locked cargo-deny (a few minutes)"; exit 1; }
	@echo; echo "==> dependencies: bans, licences, sources"
	$(CARGO) deny check bans licenses sources

# What cannot be installed without asking: say what is missing, and how to get it.
tools:
	@command -v $(CARGO) >/dev/null || { echo "cargo is missing: install Rust 1.95 or newer with rustup"; exit 1; }
	@command -v cc >/dev/null || { echo "a C compiler is missing: sudo apt install build-essential"; exit 1; }
	@command -v $(PYTHON) >/dev/null || { echo "Python is missing: sudo apt install python3 python3-venv"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; choose one with make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "Python's venv is missing: sudo apt install python3-venv"; exit 1; }

# Keys in tokens are tested with SoftHSM. Root installs it; whoever is not is told what is skipped.
softhsm:
	@command -v softhsm2-util >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	  && echo "==> installing softhsm2" && apt-get -qq update && apt-get -qq install -y --no-install-recommends softhsm2 >/dev/null; } \
	  || echo "softhsm2 is missing, tests of keys in tokens are SKIPPED: sudo apt install softhsm2"

# The stamp comes last: an installation that was interrupted is begun again.
$(VENV)/.ready: $(EXAMPLE)/requirements.txt | tools
	@echo; echo "==> a Python environment in $(VENV): scikit-learn and cyclonedx-bom, about 20 s"
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(VPYTHON) -m pip install --quiet --disable-pip-version-check --only-binary=:all: --no-deps -r $(EXAMPLE)/requirements.txt
	$(VPYTHON) -m pip check
	@touch $@

$(PEERS)/.ready: tests/peers/requirements.txt | tools
	@echo; echo "==> a Python environment in $(PEERS): aics-tlog, aics-witness, sigstore, model-signing, in-toto, moto, about 40 s"
	rm -rf $(PEERS)
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --only-binary=:all: --no-deps --ignore-requires-python -r tests/peers/requirements.txt
	@touch $@
