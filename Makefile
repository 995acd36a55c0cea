# Two commands: `make run` sets everything up and runs the main job to a report; `make test` sets
# everything up and passes the tests. Both can be run again at no cost.
PYTHON ?= python3
BIN := .venv/bin
STORE ?= allometry.db
TEST_READY := .venv/.test-ready
DEVICE ?= gpu
WHEELS ?=
CARRIED = $(if $(WHEELS),--no-index --find-links '$(WHEELS)')
BENCHMARKS := notebook_mlp notebook_cnn ntk notebook_parity notebook_grokking language_model width_count_grid two_users cost_per_run
NOTEBOOKS := mlp_parameter_scaling cnn_size_by_data ntk_depth sparse_parity grokking

.PHONY: run test test-all test-lowest reliability audit docs notebooks wheel setup lint bench bench-compare test-gpu bench-gpu clean help which-python
.DEFAULT_GOAL := help

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /	/' | expand -t 16

run: which-python setup  ## set up, train the five notebooks' studies, write reports/index.html
	@for study in $(NOTEBOOKS); do \
	  echo "== $$study"; \
	  $(BIN)/allometry run $$study --size notebook --store $(STORE) || exit $$?; \
	done
	$(BIN)/allometry report --store $(STORE) -o reports

test: which-python lint $(TEST_READY) .venv/.data  ## set up, check style and types, run the fast tests
	$(BIN)/python -m pytest -q -n 2

test-all: which-python lint $(TEST_READY) .venv/.data  ## all tests; then the fast ones on every Python here
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test,ray,slurm,docs]' tensorboard
	$(BIN)/allometry data get gutenberg
	$(BIN)/python -m pytest -q -m 'not network'
	tests/every-python

test-lowest: which-python $(TEST_READY)  ## the fast tests of store, fits, tables, command line on the lowest versions allowed
	$(BIN)/python -m tests.lowest_versions

reliability: which-python $(TEST_READY) .venv/.data  ## faults at full scale (hours; goes on where it was stopped), table of docs/reliability.md
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test,slurm]'
	RECORD_FIGURES=1 $(BIN)/python -m pytest -q tests/reliability -m slow -s
	$(BIN)/python -m tests.reliability.page

audit: which-python  ## dist/sbom.json of what the package brings with it, and what is known against it (asks the network)
	test -x .venv-audit/tools/bin/python || { $(PYTHON) -m venv .venv-audit/tools && .venv-audit/tools/bin/python -m pip install --quiet --disable-pip-version-check cyclonedx-bom pip-audit; }
	rm -rf .venv-audit/package && $(PYTHON) -m venv .venv-audit/package
	.venv-audit/package/bin/python -m pip install --quiet --disable-pip-version-check .
	.venv-audit/package/bin/python -m pip uninstall --quiet --yes --disable-pip-version-check pip setuptools
	mkdir -p dist && .venv-audit/tools/bin/cyclonedx-py environment .venv-audit/package/bin/python --pyproject pyproject.toml --output-reproducible --output-file dist/sbom.json
	.venv-audit/tools/bin/pip-audit --path .venv-audit/package/lib/python*/site-packages

docs: which-python .venv/.docs-ready  ## the site with its gallery and reference, build/docs/html/index.html
	$(BIN)/python -m docs.site.source build/docs/source
	$(BIN)/python -m sphinx -W --keep-going --quiet -b html build/docs/source build/docs/html

notebooks: which-python .venv/.docs-ready  ## run examples/*.py, write them as notebooks with what came out (one needs PyTorch)
	$(BIN)/python -m docs.site.notebooks

wheel: which-python .venv/.wheel-ready  ## dist/ with a wheel and an sdist
	rm -f dist/allometry-*
	$(BIN)/python -m build --outdir dist

setup: .venv/.ready .venv/.data  ## virtual environment, package and data, nothing else

which-python:  # first of all, before anything is set up
	@python=$(BIN)/python; test -x $$python || python=$(PYTHON); \
	$$python -c 'import os, sys; print("Python %s, %s" % (sys.version.split()[0], os.path.realpath(sys.executable)))'

lint: $(TEST_READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/.bench-ready .venv/.data  ## beside what a user would run instead (PyTorch, CPU), docs/benchmarks.md; quiet machine!
	@failed=; for bench in $(BENCHMARKS); do \
	  echo "== $$bench"; result=benchmarks/results/$$bench; \
	  if $(BIN)/python benchmarks/$$bench.py --json $$result.json > $$result.new; \
	  then mv $$result.new $$result.txt; cat $$result.txt; \
	  else cat $$result.new; rm $$result.new; failed="$$failed $$bench"; fi; \
	done; $(BIN)/python benchmarks/page.py || failed="$$failed page"; test -z "$$failed" || { echo "failed:$$failed"; exit 1; }

bench-compare: which-python .venv/.ready .venv/.data  ## BASE=REV: that commit and this tree timed in turns; what moved by more than the spread
	@test -n "$(BASE)" || { echo "which commit? make bench-compare BASE=main"; exit 2; }
	$(BIN)/python benchmarks/compare.py "$(BASE)" $(if $(JSON),--json "$(JSON)")

test-gpu: which-python .venv/.gpu-ready-$(DEVICE)  ## quick studies on an NVIDIA GPU equal the CPU's, packs by memory, donated buffers; WHEELS=FOLDER without a network, DEVICE=cpu to try it
	$(BIN)/python benchmarks/gpu_checks.py --device $(DEVICE)

bench-gpu: which-python .venv/.gpu-ready-$(DEVICE)  ## 19 x 80 and the IsoFLOP grid on an NVIDIA GPU beside jax.vmap and torch.func; WHEELS=, DEVICE= as for test-gpu
	$(BIN)/python benchmarks/gpu_speed.py --device $(DEVICE) $(if $(filter gpu,$(DEVICE)),--json benchmarks/results/gpu_speed.json)
	$(BIN)/python benchmarks/page.py

# With WHEELS nothing is asked of a network: the package (hatchling builds it), JAX with CUDA where DEVICE
# is gpu, and PyTorch where a wheel of it was carried. benchmarks/README.md says how such a folder is filled.
.venv/.gpu-ready-$(DEVICE): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(CARRIED) -e '.$(if $(filter gpu,$(DEVICE)),[cuda])' $(if $(wildcard $(WHEELS)/torch-*.whl),torch)
	@touch $@

.venv/.ready: pyproject.toml
	@echo "setting up .venv (about 700 MB of packages, a minute or two)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; say which: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[serve]'
	@touch $@

$(TEST_READY): .venv/.ready
	@echo "adding the test tools"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	@tests/install-chromium
	@touch $@

.venv/.bench-ready: .venv/.ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[bench]'
	@touch $@

.venv/.docs-ready: .venv/.ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[docs]'
	@touch $@

.venv/.wheel-ready: .venv/.ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check build
	@touch $@

.venv/.data: .venv/.ready
	$(BIN)/allometry data get fashion-mnist
	$(BIN)/allometry data get mnist
	@touch $@

clean:  ## remove the environment, the site and the reports; the store and the data cache stay
	rm -rf .venv .venv-* build reports
