# Everything that is done with this repository. Only python3 (3.11 or newer, with venv and pip) and make
# are needed; the rest is installed into .venv and .venv-meltano, as locked.

PYTHON ?= python3
BIN := .venv/bin
MELTANO := .venv-meltano/bin/meltano
SOURCES := tap-oracle-txlog target-nats-jetstream tests demo bench tools

.PHONY: setup demo test test-repeat check format settings lock simulate clean \
	bench bench-against bench-components bench-distance bench-empty bench-follow bench-latency \
	bench-publisher bench-read-back bench-stages

## demo: the whole way on this machine, from a SQLite table to JetStream, compared row by row
demo: setup
	@$(BIN)/python -m demo

## test: all tests, on real servers
test: setup .venv-target-jsonl/ready .venv-nats-2.11/ready
	@$(BIN)/python -m tests.run $(ARGS)

## test-repeat: the tests N times in a row beside two busy loops, and which of them failed
##   N=10 ARGS="tests/target/publisher -k kill"
N ?= 10
test-repeat: setup .venv-target-jsonl/ready .venv-nats-2.11/ready
	@$(BIN)/python -m tests.repeat $(N) $(ARGS)

## check: format, lint, types, and meltano.yml by Meltano's own schema
check: .venv/ready .venv-meltano/ready
	@$(BIN)/ruff format --check --quiet $(SOURCES)
	@$(BIN)/ruff check --quiet $(SOURCES)
	@$(BIN)/mypy
	@.venv-meltano/bin/python -m tools.meltano_yml

format: .venv/ready
	@$(BIN)/ruff format $(SOURCES)
	@$(BIN)/ruff check --fix $(SOURCES)

## settings: write the settings of both packages into meltano.yml and the READMEs
settings: .venv/ready
	@$(BIN)/python -m tools.settings

## bench: the pair beside what one would take instead, read back from the stream; about 20 minutes
##   ROWS=100000 ROUNDS=3 is a short one, PROFILE=1 tells where the time goes, SAVE=1 publishes in docs/
ROWS ?= 1000000
ROUNDS ?= 2
bench: setup
	-@$(MAKE) --no-print-directory .venv-bench/ready
	@$(BIN)/python -m bench --rows $(ROWS) --rounds $(ROUNDS) $(if $(PROFILE),--profile)

## bench-against: this checkout and another one at once, ratios; OTHER=/folder/of/it
bench-against: .venv/ready
	@$(BIN)/python -m bench.against $(OTHER)

## bench-components: tap, target and publisher alone, in records per CPU second
bench-components: .venv/ready
	@$(BIN)/python -m bench.components

## bench-distance: what each millisecond to the database costs the tap
bench-distance: .venv/ready
	@$(BIN)/python -m bench.distance

## bench-latency: from commit to stream in follow mode
bench-latency: .venv/ready $(if $(SAVE),.venv-bench/ready)
	@$(BIN)/python -m bench.latency

## bench-follow: what follow mode fetches, sends and costs for one row that is new
bench-follow: .venv/ready
	@$(BIN)/python -m bench.follow

## bench-empty: what a run costs that finds nothing new
bench-empty: setup
	@$(BIN)/python -m bench.empty

## bench-stages: what each stage costs of one row, by itself
bench-stages: .venv/ready
	@$(BIN)/python -m bench.stages

## bench-publisher: the publisher beside V7's way of publishing
bench-publisher: .venv/ready
	@$(BIN)/python -m bench.publisher

## bench-read-back: how fast the ids of stored messages are read back
bench-read-back: .venv/ready
	@$(BIN)/python -m bench.read_back

## simulate: what different ways of polling lose, repeat and delay; HISTORIES=20000 plays so many
##   random histories of a table against the tap's rules instead
simulate: .venv/ready
	@$(BIN)/python -m bench.simulate $(if $(SVG),--svg $(SVG)) $(if $(HISTORIES),--histories $(HISTORIES))

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

## lock: resolve all dependencies anew
UV_LOCK := $(BIN)/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 \
	--no-annotate --custom-compile-command "make lock" --upgrade
lock: .venv/ready
	@$(UV_LOCK) requirements.in */pyproject.toml -o requirements.lock
	@$(UV_LOCK) requirements-meltano.in -o requirements-meltano.lock
	@$(UV_LOCK) tests/e2e/target-jsonl.in -o tests/e2e/target-jsonl.lock
	@$(UV_LOCK) bench/requirements.in -o bench/requirements.lock
	@$(UV_LOCK) tests/target/nats-2.11.in -o tests/target/nats-2.11.lock

clean:
	rm -rf .venv .venv-meltano .venv-target-jsonl .venv-bench .venv-nats-2.11 .venv-nats-debian \
		.repeat .meltano demo/.run .mypy_cache .ruff_cache .pytest_cache .hypothesis
