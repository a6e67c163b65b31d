# Everything starts from a bare clone: Python 3.11, a compiler, Go and the package registries.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# MXNet needs packages that are too old for the other frameworks; `trainwright run` looks for it in this place.
MXNET_VENV ?= .venv-mxnet
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help install demo test test-fast fuzz lint verify generate pins cluster cluster-demo clean
.DEFAULT_GOAL := help

help: ## Show what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

install: $(VENV)/.installed $(MXNET_VENV)/.installed ## Make the virtual environments

$(VENV)/.installed: requirements/bootstrap.txt requirements/dev.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/bootstrap.txt
	$(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes requirements/dev.txt requirements/bootstrap.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	touch $@

$(MXNET_VENV)/.installed: requirements/mxnet.txt pyproject.toml $(VENV)/.installed
	$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python $(MXNET_VENV)
	$(BIN)/uv pip sync --quiet --compile-bytecode --python $(MXNET_VENV)/bin/python --require-hashes requirements/mxnet.txt
	$(BIN)/uv pip install --quiet --python $(MXNET_VENV)/bin/python --no-deps --build-constraints requirements/dev.txt --editable .
	touch $@

demo: install ## Train on 2 workers, prune, quantize, export: the main job on this machine
	$(BIN)/trainwright run manifests/examples/digits-pytorch.yaml --output runs/demo

test: lint verify ## Run every check and test
	$(BIN)/python -m testbed build
	-$(BIN)/python -m testbed browser
	-$(BIN)/python -m testbed.node packages
	$(BIN)/python -m pytest

test-fast: install ## Run the tests of the inner loop
	$(BIN)/python -m pytest -m "not slow"

fuzz: install ## Throw thousands of made-up histories at the planner, other ones each time
	TRAINWRIGHT_HISTORIES=4000 $(BIN)/python -m pytest tests/planning/test_history.py -x

lint: install ## Check style, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

CHART := charts/trainwright
INSTALL := $(BIN)/python -m testbed helm template trainwright $(CHART) --namespace trainwright-system --set createNamespace=true
DOCUMENTATION := $(BIN)/python charts/documentation.py

generate: install ## Write the files that are made from the models and from the chart
	$(BIN)/trainwright crd > manifests/crd/trainingjobs.yaml
	cp manifests/crd/trainingjobs.yaml $(CHART)/crd/trainingjobs.yaml
	$(BIN)/trainwright reference > docs/reference.md
	$(BIN)/python -m monitoring
	$(DOCUMENTATION) values.yaml > $(CHART)/values.yaml
	text=$$($(DOCUMENTATION) README.md) && printf "%s\n" "$$text" > $(CHART)/README.md
	$(INSTALL) > manifests/install.yaml

verify: install ## Fail when a generated file is stale
	$(BIN)/trainwright crd | diff -u manifests/crd/trainingjobs.yaml -
	diff -u $(CHART)/crd/trainingjobs.yaml manifests/crd/trainingjobs.yaml
	$(BIN)/trainwright reference | diff -u docs/reference.md -
	$(BIN)/python -m monitoring --check
	$(DOCUMENTATION) values.yaml | diff -u $(CHART)/values.yaml -
	$(DOCUMENTATION) README.md | diff -u $(CHART)/README.md -
	$(INSTALL) | diff -u manifests/install.yaml -

cluster: install ## Start a Kubernetes control plane with fake nodes, for development
	$(BIN)/python -m testbed up

cluster-demo: install ## Train the first example on a real node: images, helm install, kubectl apply
	$(BIN)/python -m testbed.node packages
	$(BIN)/python -m testbed.node demo

pins: $(VENV)/.installed ## Compile the pinned requirements anew
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	  requirements/bootstrap.in -o requirements/bootstrap.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	  --override requirements/overrides.txt \
	  --extra operator --extra pytorch --extra tflite --extra jax --extra jax-tensorflow --extra tensorflow pyproject.toml requirements/dev.in -o requirements/dev.txt
	for image in operator pytorch jax jax-cuda tensorflow tensorflow-cuda; do \
	  $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	    --constraint requirements/dev.txt --extra $$image pyproject.toml -o requirements/$$image.txt; \
	done
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	  --override requirements/mxnet-overrides.txt --extra mxnet pyproject.toml -o requirements/mxnet.txt

clean: ## Remove what was made
	rm -rf $(VENV) $(MXNET_VENV) runs
