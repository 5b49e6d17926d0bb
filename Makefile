# Everything sets itself up: `make demo` and `make test` need Python 3.11, pip, make and git.
UV_VERSION := 0.13.9
UV := .tools/bin/uv
PYTHON := .venv/bin/python
TENSORFLOW_PYTHON := .venv-tensorflow/bin/python
RUN := $(UV) run --locked --no-sync

.PHONY: help setup setup-tensorflow demo up drop down reset deploy worker notify-test test test-unit test-random test-tensorflow random-movies bench soak day check format next-tools models docs clean
help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-16s %s\n", $$1, $$2}'

$(UV):
	python3 -m venv .tools
	.tools/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

# The stamp is newer than the lock file when the environment is what the lock file says.
.venv/.synced: uv.lock pyproject.toml | $(UV)
	$(UV) sync --locked --compile-bytecode --quiet
	touch $@

setup: .venv/.synced ## make the locked environment in .venv

# Beside the other environment: NumPy 1 is not for everybody. uv links the files that both have.
.venv-tensorflow/.synced: uv.lock pyproject.toml | $(UV)
	UV_PROJECT_ENVIRONMENT=.venv-tensorflow $(UV) sync --locked --compile-bytecode --quiet \
		--no-default-groups --group test --extra tensorflow
	touch $@

setup-tensorflow: .venv-tensorflow/.synced ## make the environment that also runs TensorFlow models

demo: setup ## run the flow from bucket to bucket on our own model and movie
	$(PYTHON) -m deployments.demo.run

up: setup ## start the whole service on this machine: server, UI, store, worker, deployments
	$(PYTHON) -m deployments.up up

# make passes MOVIE on in the environment, as it was typed: names may hold spaces and quotes.
drop: setup ## put MOVIE into the inbox of what `make up` started
	$(PYTHON) -m deployments.up drop

down: ## end what `make up` started; objects and history stay
	$(PYTHON) -m deployments.up down

reset: ## remove everything that `make up` keeps, after asking
	$(PYTHON) -m deployments.up reset

deploy: setup ## bring the server that PREFECT_API_URL names to what this checkout says
	$(PYTHON) -m deployments.deploy $(if $(POOL),--pool $(POOL))

worker: setup ## run on this machine what the server that PREFECT_API_URL names hands out
	$(PYTHON) -m deployments.worker $(if $(RUNS),--runs $(RUNS))

notify-test: setup ## tell people, by the block that DLCFLOW_NOTIFY names, that they are told
	$(PYTHON) -m deployments.upkeep.notify_test

# Most of the time a test waits: for a server, a store, a child process.
# Python keeps what it has compiled: most of a test's processes are short.
test test-unit test-random test-tensorflow: export PYTHONDONTWRITEBYTECODE :=
test: setup ## run all tests, two files at a time
	$(PYTHON) -m pytest --numprocesses 2 --dist loadfile

# They load neither DeepLabCut nor PyTorch; nine tenths of the cases in a tenth of the time.
test-unit: setup ## run the tests that need no server, store, browser or network
	$(PYTHON) -m pytest tests/unit

# The draws of all other commands are the same each time.
DRAWS := $(or $(SEED),$(shell od -An -N4 -tu4 /dev/urandom | tr -d ' '))
test-random: setup ## draw thousands of other cases where tests draw them: SEED=…
	$(PYTHON) -m pytest -m hypothesis --hypothesis-profile random --hypothesis-seed $(DRAWS)

test-tensorflow: setup-tensorflow ## run the tests of TensorFlow models
	$(TENSORFLOW_PYTHON) -m pytest $(shell find tests -name 'test_tensorflow*.py')

random-movies: setup ## read movies made at random and compare: N=1000 SEED=… ONLY=…
	$(PYTHON) -m tests.random_movies $(if $(N),--movies $(N)) $(if $(SEED),--seed $(SEED)) \
		$(if $(ONLY),--only $(ONLY))

bench: setup ## time DeepLabCut's calls and our stages in turns: MODEL=… MOVIE=… FRAMES=… SIZE=640x480
	$(PYTHON) -m tests.bench $(if $(MODEL),--model $(MODEL)) $(if $(MOVIE),--movie $(MOVIE)) \
		$(if $(FRAMES),--frames $(FRAMES)) $(if $(SIZE),--size $(SIZE)) \
		$(if $(DEVICE),--device $(DEVICE)) $(if $(REPEATS),--repeats $(REPEATS)) \
		$(if $(PRECISION),--precision $(PRECISION)) $(if $(MANY),--many $(MANY))

soak: setup ## kill runs at random on a real store and compare what they deliver: RUNS=… SEED=… AT_ONCE=…
	$(PYTHON) -m tests.soak $(if $(RUNS),--runs $(RUNS)) $(if $(SEED),--seed $(SEED)) \
		$(if $(AT_ONCE),--at-once $(AT_ONCE))

# The disk of temporary files that becomes full is a small one in memory: it takes the right to mount.
day: setup ## live through a day of service in an hour, with all that happens to one: MOVIES=… MINUTES=… SEED=…
	$(PYTHON) -m tests.day $(if $(MOVIES),--movies $(MOVIES)) $(if $(MINUTES),--minutes $(MINUTES)) \
		$(if $(SEED),--seed $(SEED))

check: setup ## formatting, lint, types, import rules
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports

format: setup ## format and fix what can be fixed by itself
	.venv/bin/ruff check --fix-only .
	.venv/bin/ruff format .

next-tools: setup ## run what scientists use next on results of ours, and write that into docs: TOOLS=…
	UV=$(UV) $(PYTHON) -m tests.next_tools $(TOOLS)

# Each environment takes the names of its engine. What differs there does not keep the other from running.
models: setup ## compare a model of every network with DeepLabCut, and write that into docs: NAMES=… ANEW=1
	status=0; for python in $(PYTHON) $(wildcard $(TENSORFLOW_PYTHON)); do \
		$$python -m tests.models $(NAMES) $(if $(ANEW),--anew) || status=1; done; exit $$status

docs: setup ## write the tables of settings and environment variables into the docs
	$(PYTHON) -m tests.docs

clean: ## remove the environments and everything made
	rm -rf .venv .venv-tensorflow .tools .cache demo-results
