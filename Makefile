# What a newcomer needs: `make demo`, and for work on lp itself `make test` and `make lint`.
# Needs git, make and Python 3.11 or newer; uv is brought into .tools if the machine has none.

UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)
RUN := $(UV) run --no-sync
SYNCED := .venv/.synced

TESTS = LD_LIBRARY_PATH="$$($(RUN) python tools/link_ffmpeg.py)" OMP_NUM_THREADS=1 \
	$(RUN) pytest -q -n 2 --dist loadfile

# the sources of the app's client, which is built into lp-app when they change
CLIENT := $(shell find packages/lp-app/client/src packages/lp-app/client/package-lock.json -type f)

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow lint format docs bench clean

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(SYNCED)  ## Generate a synthetic project, train on it, track a video
	$(RUN) litpose demo --overwrite demo

test: $(SYNCED)  ## Run every test but the slow ones
	$(TESTS) -m "not slow"

test-slow: $(SYNCED)  ## Run the slow tests
	$(TESTS) -m slow

lint: $(SYNCED)  ## Check style, format, types, layers and words
	$(RUN) ruff check
	$(RUN) ruff format --check
	$(RUN) mypy
	$(RUN) lint-imports
	$(RUN) python tools/checks/words.py

format: $(SYNCED)  ## Mend style and format
	$(RUN) ruff check --fix
	$(RUN) ruff format

docs: $(SYNCED)  ## Run the code blocks of the documentation
	$(RUN) pytest -q tests/test_docs.py

bench: $(SYNCED)  ## Measure speed
	$(RUN) python tools/bench/decode_heatmaps.py

clean:  ## Remove the environment and every cache
	rm -rf .venv .tools .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

$(SYNCED): Makefile pyproject.toml $(wildcard packages/*/pyproject.toml) $(CLIENT) | $(filter .tools/%,$(UV))
	$(UV) sync --all-packages --all-extras --compile-bytecode
	@touch $@

.tools/bin/uv:
	python3 -m venv .tools
	.tools/bin/python -m pip install --quiet uv
