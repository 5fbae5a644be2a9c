# All commands of this repository. They need only python3 (3.11 or newer, with venv and pip) and make.
# Everything else is installed into .venv and .venv-meltano, from the lock files.

PYTHON ?= python3
BIN := .venv/bin
MELTANO := .venv-meltano/bin/meltano
SOURCES := tap-oracle-txlog target-nats-jetstream tests demo bench deploy tools

.PHONY: setup demo doctor test test-repeat soak-slices soak-verify fuzz check docs format settings \
	packages packages-matrix results-back lock simulate sbom audit clean lint-deploy test-dagster test-image \
	bench bench-against bench-cases bench-components bench-distance bench-doctor bench-empty bench-follow \
	bench-latency bench-metrics bench-publisher bench-read-back bench-replay bench-slices bench-stages \
	bench-tail bench-verify

## demo: move a sample table into JetStream on this machine, and compare the result row by row
demo: setup
	@$(BIN)/python -m demo

## doctor: check all that a run needs of your own servers, and change nothing
##   ENVIRONMENT=dev checks for another environment of meltano.yml, ARGS=--strict fails on warnings
ENVIRONMENT ?= prod
DOCTOR := $(MELTANO) --log-level=warning --environment=$(ENVIRONMENT) invoke
doctor: setup
	@$(DOCTOR) tap-oracle-txlog --doctor $(ARGS); tap=$$?; \
	$(DOCTOR) target-nats-jetstream --doctor $(ARGS) && exit $$tap

## test: run all tests against real servers
test: setup .venv-target-jsonl/ready .venv-nats-2.11/ready .venv-docs/ready .venv-dask/ready
	@$(BIN)/python -m tests.run $(ARGS)

## test-repeat: run the tests N times next to two busy loops, and list those that failed
##   N=10 ARGS="tests/target/publisher -k kill"
N ?= 10
test-repeat: setup .venv-target-jsonl/ready .venv-nats-2.11/ready .venv-dask/ready
	@$(BIN)/python -m tests.repeat $(N) $(ARGS)

## soak-slices: kill parts of a sliced backfill 30 times, with the tail beside it; about five minutes
##   ARGS="--slices 4 --rows 40000 --kills 10" makes it short, --seed changes the moments,
##   --replicas 3 takes a cluster of nats-servers, --oracle the stand-in for Oracle as the source
soak-slices: .venv/ready .venv-dask/ready
	@$(BIN)/python -m tests.soak_slices $(ARGS)

## soak-verify: compare table and stream 1,000 times while both are written; about 20 minutes
##   ARGS="--runs 100" makes it short, --seed changes rows and kills
soak-verify: .venv/ready
	@$(BIN)/python -m tests.soak_verify $(ARGS)

## test-dagster: run the job for Dagster by Dagster, which takes 156 MB; make test leaves it out
test-dagster: setup .venv-dagster/ready
	@$(BIN)/python -m pytest -q tests/deploy/test_dagster.py $(ARGS)

## test-image: build both images on a base made of Debian's packages, and run them; make test leaves it out
##   needs root, buildah and mmdebstrap
test-image: setup
	@BUILD_IMAGES=1 $(BIN)/python -m pytest -q tests/deploy/test_built_image.py $(ARGS)

## fuzz: throw ten thousand odd inputs at both plugins; a few minutes
fuzz: .venv/ready
	@FUZZ=20 $(BIN)/python -m pytest -q -n auto tests/sweep

## check: check format, lint, types, meltano.yml and hub/ against Meltano's own schema, deploy/, and all links
check:
	@$(MAKE) --no-print-directory --jobs=4 .venv/ready .venv-meltano/ready .venv-docs/ready .venv-lint/ready
	@$(MAKE) --no-print-directory docs lint-deploy
	@$(BIN)/ruff format --check --quiet $(SOURCES)
	@$(BIN)/ruff check --quiet $(SOURCES)
	@$(BIN)/mypy
	@.venv-meltano/bin/python -m tools.meltano_yml

## docs: build the site of README and docs/ into site/; a broken link or anchor is an error
docs: .venv-docs/ready
	@NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --strict

## lint-deploy: check the Dockerfile, the manifests, the workflows and the scripts in deploy/
LINT := .venv-lint/bin
lint-deploy: .venv-lint/ready
	@$(LINT)/hadolint deploy/docker/Dockerfile
	@$(LINT)/shellcheck deploy/pair/install
	@$(LINT)/check-jsonschema --builtin-schema vendor.github-workflows deploy/ci/github.yml
	@$(LINT)/check-jsonschema --builtin-schema vendor.gitlab-ci --data-transform gitlab-ci deploy/ci/gitlab.yml
	@$(LINT)/kubernetes-validate --strict --quiet $(filter-out %/kustomization.yaml,$(wildcard deploy/kubernetes/*/*.yaml))

format: .venv/ready
	@$(BIN)/ruff format $(SOURCES)
	@$(BIN)/ruff check --fix $(SOURCES)

## settings: update the settings of both packages in meltano.yml, the READMEs and hub/
settings: .venv/ready
	@$(BIN)/python -m tools.settings
	@$(BIN)/python -m tools.hub

## packages: build both packages, check what they say of themselves, and install each by itself
packages: .venv/ready .venv-packages/ready
	@$(BIN)/python -m tools.packages

## packages-matrix: install them by pip, pipx and uv, from the folder and from git, on every Python
packages-matrix: .venv/ready .venv-packages/ready
	@$(BIN)/python -m tools.packages_matrix

## results-back: kill what brings answers back into Oracle 30 times, and compare; about six minutes
results-back: .venv/ready .venv-results-back/ready
	@$(BIN)/python -m tools.results_back

## bench: compare the pair with alternatives, and check the stream afterwards; about 20 minutes
##   ROWS=100000 ROUNDS=3 makes it short, PROFILE=1 shows where the time goes, SAVE=1 publishes to docs/
ROWS ?= 1000000
ROUNDS ?= 2
bench: setup
	-@$(MAKE) --no-print-directory .venv-bench/ready
	@$(BIN)/python -m bench --rows $(ROWS) --rounds $(ROUNDS) $(if $(PROFILE),--profile)

## bench-against: run this checkout and another one at once, and show the ratios; OTHER=/path/to/it
bench-against: .venv/ready
	@$(BIN)/python -m bench.against $(OTHER)

## bench-components: measure tap, target and publisher alone, in records per CPU second
bench-components: .venv/ready
	@$(BIN)/python -m bench.components

## bench-distance: measure what network latency to the database costs the tap
bench-distance: .venv/ready
	@$(BIN)/python -m bench.distance

## bench-latency: measure the latency from commit to stream in follow mode
bench-latency: .venv/ready $(if $(SAVE),.venv-bench/ready)
	@$(BIN)/python -m bench.latency

## bench-follow: measure what follow mode fetches, sends and costs per new row
bench-follow: .venv/ready
	@$(BIN)/python -m bench.follow

## bench-doctor: measure how long the doctors take where all is well
bench-doctor: .venv/ready
	@$(BIN)/python -m bench.doctor

## bench-empty: measure what a run costs that finds nothing new
bench-empty: setup
	@$(BIN)/python -m bench.empty

## bench-metrics: measure what metrics_file costs the target at full speed
bench-metrics: .venv/ready
	@$(BIN)/python -m bench.metrics

## bench-slices: measure what Dask costs beside the same slices started by hand
bench-slices: .venv/ready .venv-dask/ready
	@$(BIN)/python -m bench.slices

## bench-tail: measure what running slices cost the tail beside them: from commit to stream
bench-tail: .venv/ready
	@$(BIN)/python -m bench.tail

## bench-stages: measure what each stage costs per row, by itself
bench-stages: .venv/ready
	@$(BIN)/python -m bench.stages

## bench-publisher: compare the publisher with V7's way of publishing
bench-publisher: .venv/ready
	@$(BIN)/python -m bench.publisher

## bench-read-back: measure how fast the ids of stored messages are read back
bench-read-back: .venv/ready
	@$(BIN)/python -m bench.read_back

## bench-verify: measure how fast the messages of a stream are compared with a source
bench-verify: .venv/ready
	@$(BIN)/python -m bench.verify

## bench-replay: measure what it costs to replay one case out of a million rows
bench-replay: .venv/ready
	@$(BIN)/python -m bench.replay

## bench-cases: measure what it costs to put cases together, beside reading their events
bench-cases: .venv/ready
	@$(BIN)/python -m bench.cases

## simulate: show what polling strategies lose, repeat and delay
##   HISTORIES=20000 plays that many random histories of a table against the tap's rules instead
simulate: .venv/ready
	@$(BIN)/python -m bench.simulate $(if $(SVG),--svg $(SVG)) $(if $(HISTORIES),--histories $(HISTORIES))

## sbom: write a CycloneDX bill of materials for each package to dist/, from its pinned dependencies
sbom: .venv/ready .venv-audit/ready
	@$(BIN)/python -m tools.sbom

## audit: look up known vulnerabilities of all pinned dependencies
audit: .venv/ready .venv-audit/ready
	@$(BIN)/python -m tools.audit

setup: .venv/ready .venv-meltano/ready

.venv/ready: requirements.lock tap-oracle-txlog/pyproject.toml target-nats-jetstream/pyproject.toml
	@echo "setting up .venv"
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
		-e tap-oracle-txlog -e target-nats-jetstream
	@touch $@

.venv-meltano/ready: requirements-meltano.lock
	@echo "setting up .venv-meltano"
	@$(PYTHON) -m venv --clear .venv-meltano
	@.venv-meltano/bin/pip install --quiet --disable-pip-version-check --require-hashes \
		-r requirements-meltano.lock
	@touch $@

.venv-target-jsonl/ready: tests/e2e/target-jsonl.lock
	@echo "setting up .venv-target-jsonl"
	@$(PYTHON) -m venv --clear .venv-target-jsonl
	@.venv-target-jsonl/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

PURELIB := 'import sysconfig; print(sysconfig.get_path("purelib"))'

# Dask alone; everything else is that of .venv.
.venv-dask/ready: tests/e2e/dask.lock .venv/ready
	@echo "setting up .venv-dask"
	@$(PYTHON) -m venv --clear .venv-dask
	@.venv-dask/bin/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $<
	@echo "import site; site.addsitedir('$$($(BIN)/python -c $(PURELIB))')" \
		> $$(.venv-dask/bin/python -c $(PURELIB))/venv.pth
	@touch $@

.venv-audit/ready: tools/audit.lock
	@echo "setting up .venv-audit"
	@$(PYTHON) -m venv --clear .venv-audit
	@.venv-audit/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

.venv-lint/ready: tools/lint.lock
	@echo "setting up .venv-lint"
	@$(PYTHON) -m venv --clear .venv-lint
	@.venv-lint/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

.venv-dagster/ready: deploy/orchestrators/dagster.lock
	@echo "setting up .venv-dagster"
	@$(PYTHON) -m venv --clear .venv-dagster
	@.venv-dagster/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

.venv-packages/ready: tools/packages.lock
	@echo "setting up .venv-packages"
	@$(PYTHON) -m venv --clear .venv-packages
	@.venv-packages/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

.venv-results-back/ready: examples/results-back/requirements.lock
	@echo "setting up .venv-results-back"
	@$(PYTHON) -m venv --clear .venv-results-back
	@.venv-results-back/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

.venv-docs/ready: requirements-docs.lock
	@echo "setting up .venv-docs"
	@$(PYTHON) -m venv --clear .venv-docs
	@.venv-docs/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

.venv-bench/ready: bench/requirements.lock
	@echo "setting up .venv-bench"
	@$(PYTHON) -m venv --clear .venv-bench
	@.venv-bench/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

.venv-nats-2.11/ready: tests/target/nats-2.11.lock
	@echo "setting up .venv-nats-2.11"
	@$(PYTHON) -m venv --clear .venv-nats-2.11
	@.venv-nats-2.11/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

## lock: update all locked dependencies
UV_LOCK := $(BIN)/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 \
	--no-annotate --custom-compile-command "make lock" --upgrade
lock: .venv/ready
	@$(UV_LOCK) requirements.in */pyproject.toml -o requirements.lock
	@$(UV_LOCK) requirements-meltano.in -o requirements-meltano.lock
	@$(UV_LOCK) requirements-docs.in -o requirements-docs.lock
	@$(UV_LOCK) tests/e2e/target-jsonl.in -o tests/e2e/target-jsonl.lock
	@$(UV_LOCK) tests/e2e/dask.in -o tests/e2e/dask.lock
	@$(UV_LOCK) bench/requirements.in -o bench/requirements.lock
	@$(UV_LOCK) tests/target/nats-2.11.in -o tests/target/nats-2.11.lock
	@$(UV_LOCK) tools/audit.in -o tools/audit.lock
	@$(UV_LOCK) tools/lint.in -o tools/lint.lock
	@$(UV_LOCK) tools/packages.in -o tools/packages.lock
	@$(UV_LOCK) --constraint requirements.lock */pyproject.toml --extra otel -o deploy/pair/plugins.lock
	@$(UV_LOCK) --constraint requirements.lock deploy/pair/build.in -o deploy/pair/build.lock
	@$(UV_LOCK) deploy/orchestrators/dagster.in -o deploy/orchestrators/dagster.lock
	@$(UV_LOCK) examples/results-back/requirements.in -o examples/results-back/requirements.lock

clean:
	rm -rf .venv .venv-meltano .venv-target-jsonl .venv-dask .venv-bench .venv-audit .venv-dagster \
		.venv-docs .venv-lint .venv-packages .venv-results-back .venv-nats-2.11 .venv-nats-debian \
		.venv-prometheus-debian dist site .repeat .meltano demo/.run \
		.mypy_cache .ruff_cache .pytest_cache .hypothesis
