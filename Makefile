# Every target sets up what it needs, once, inside this tree: from Python 3.13, Node 20 and make alone.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PY := .venv/bin/python
# `uv` from the PATH, else one in a venv of its own: a system Python may refuse `pip install`.
UV := $(or $(shell command -v uv 2>/dev/null),.venv-uv/bin/uv)
HOST ?= devhost
COMPILE := pip compile --quiet --universal --generate-hashes --no-annotate --no-header --python-version 3.13

.PHONY: help start demo trace doctor restore fixture test test-slow test-azureml test-odata test-infra verify-azure check format bench bench-skills bench-outcome bench-data bench-start package keys lock setup clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## / — /'

start: .venv/ready .venv-scoring/ready .venv-pipeline/ready node_modules/ready ## run the whole local stack in the foreground (HOST=func: with Core Tools)
	@exec $(PY) -m devhost.stack start --host $(HOST)

demo: .venv/ready .venv-scoring/ready .venv-pipeline/ready node_modules/ready ## start the stack, enrich real documents, run a pipeline over real purchases, stop
	@exec $(PY) -m devhost.stack demo

trace: .venv/ready .venv-scoring/ready .venv-pipeline/ready node_modules/ready ## run the stack with a collector, score a batch, run a pipeline, draw docs/trace.svg
	@exec $(PY) -m devhost.stack trace

test: .venv/ready .venv-scoring/ready .venv-pipeline/ready node_modules/ready ## all tests but the slow ones (under five minutes)
	@$(PY) -m pytest -q -m "not slow and not azureml and not odata" -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

test-slow: .venv/ready .venv-scoring/ready .venv-pipeline/ready node_modules/ready | $(UV) ## the slow tests: the process is killed at each step of a run, the data plane is asked at random and while it publishes, the package runs from itself alone (a quarter of an hour)
	@$(PY) -m pytest -q -m slow $(ARGS)

test-azureml: .venv/ready .venv-pipeline/ready .venv-azureml/ready node_modules/ready ## Microsoft's azure-ai-ml client against the simulator
	@$(PY) -m pytest -q -m azureml $(ARGS)

test-odata: .venv/ready .venv-odata/ready node_modules/ready ## three OData clients against the data plane
	@$(PY) -m pytest -q -m "not slow" tests/odata $(ARGS)

test-infra: .venv-infra/ready ## checkov over the Bicep files
	@.venv-infra/bin/checkov --config-file infra/.checkov.yaml

verify-azure: .venv/ready ## what is taken for granted about Azure, looked at in a subscription (az login; ARGS="--subscription …", docs/verify-azure.md)
	@$(PY) -m infra.verify $(ARGS)

fixture: .venv/ready .venv-pipeline/ready node_modules/ready ## record what this release stores, for the tests of the next ones
	@$(PY) -m tests.upgrade.record

restore: .venv/ready ## rebuild an empty account from an export and from Parquet (ARGS="--from … --app …", docs/configuration.md)
	@exec $(PY) -m infra.restore $(ARGS)

check: .venv/ready ## ruff, strict mypy, the architecture tests
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@$(PY) -m pytest -q tests/architecture

format: .venv/ready ## let ruff mend what it can
	@.venv/bin/ruff check --fix .
	@.venv/bin/ruff format .

doctor: .venv/ready ## examine a running app (BRIDGE_URL, BRIDGE_KEY; else the local stack) and print what it finds, ARGS="--only storage"
	@$(PY) -m infra.doctor $(ARGS)

bench: bench-skills bench-outcome bench-data bench-start ## all benchmarks

bench-skills: .venv/ready .venv-scoring/ready node_modules/ready ## the gateway against its peers and the raw limit
	@$(PY) -m benchmarks.skills $(ARGS)

bench-outcome: .venv/ready node_modules/ready ## records and calls on endpoints that push back
	@$(PY) -m benchmarks.outcome $(ARGS)

bench-data: .venv/ready node_modules/ready ## rows into Table storage and out of it, against peers and the raw limit
	@$(PY) -m benchmarks.data $(ARGS)

bench-start: .venv/ready ## what a cold start costs
	@$(PY) -m benchmarks.start $(ARGS)

package: .venv/ready | $(UV) ## what is deployed, with its requirements and bytecode: .build/package and .build/package.zip
	@$(PY) -m infra.package --uv $(UV) $(ARGS)

keys: .venv/ready ## print the az commands that make one key for ROLE (reader, operator, admin, skill) over its functions: APP=… GROUP=…
	@$(PY) -m infra.keys $(or $(ROLE),reader) $(if $(APP),-n $(APP)) $(if $(GROUP),-g $(GROUP))

lock: | $(UV) ## compile the requirements files anew
	$(UV) $(COMPILE) pyproject.toml -o requirements.txt
	$(UV) $(COMPILE) --group dev pyproject.toml -o requirements-dev.txt -c requirements.txt
	$(UV) $(COMPILE) samples/language/requirements.in -o samples/language/requirements.txt
	$(UV) $(COMPILE) --no-deps samples/customer_value/requirements.in -o samples/customer_value/requirements.txt
	$(UV) $(COMPILE) tests/azureml/requirements.in -o tests/azureml/requirements.txt
	$(UV) $(COMPILE) tests/odata/requirements.in -o tests/odata/requirements.txt
	$(UV) $(COMPILE) tests/infra/requirements.in -o tests/infra/requirements.txt

setup: .venv/ready .venv-scoring/ready .venv-pipeline/ready node_modules/ready ## what every other target needs

clean: ## remove what the targets made
	rm -rf .venv .venv-uv .venv-scoring .venv-pipeline .venv-azureml .venv-odata .venv-infra node_modules .local .mypy_cache .ruff_cache .build benchmarks/.build

.venv-uv/bin/uv:
	@python3 -m venv .venv-uv
	@.venv-uv/bin/pip install --quiet --disable-pip-version-check uv

.venv/ready: requirements-dev.txt | $(UV)
	@$(UV) venv --quiet --allow-existing --python 3.13 .venv
	@$(UV) pip sync --quiet --compile-bytecode --python .venv/bin/python requirements-dev.txt
	@touch $@

.venv-scoring/ready: samples/language/requirements.txt | $(UV)
	@$(UV) venv --quiet --allow-existing --python 3.13 .venv-scoring
	@$(UV) pip sync --quiet --compile-bytecode --python .venv-scoring/bin/python samples/language/requirements.txt
	@touch $@

.venv-pipeline/ready: samples/customer_value/requirements.txt | $(UV)
	@$(UV) venv --quiet --allow-existing --python 3.13 .venv-pipeline
	@$(UV) pip sync --quiet --compile-bytecode --python .venv-pipeline/bin/python samples/customer_value/requirements.txt
	@touch $@

# Only for test-azureml.
.venv-azureml/ready: tests/azureml/requirements.txt | $(UV)
	@$(UV) venv --quiet --allow-existing --python 3.13 .venv-azureml
	@$(UV) pip sync --quiet --python .venv-azureml/bin/python tests/azureml/requirements.txt
	@touch $@

# Only for test-odata.
.venv-odata/ready: tests/odata/requirements.txt | $(UV)
	@$(UV) venv --quiet --allow-existing --python 3.13 .venv-odata
	@$(UV) pip sync --quiet --python .venv-odata/bin/python tests/odata/requirements.txt
	@touch $@

# Only for test-infra.
.venv-infra/ready: tests/infra/requirements.txt | $(UV)
	@$(UV) venv --quiet --allow-existing --python 3.13 .venv-infra
	@$(UV) pip sync --quiet --python .venv-infra/bin/python tests/infra/requirements.txt
	@touch $@

node_modules/ready: package-lock.json .npmrc
	@npm ci --silent
	@touch $@
