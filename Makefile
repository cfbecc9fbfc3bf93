# Two commands are enough: `make run` and `make test`. Needs make and Python 3.11 or newer.
.DEFAULT_GOAL := help
.PHONY: help run test check bench chaos fuzz clean bootstrap
ARGS ?=
BIN := .venv/bin
# A test run starts some hundred processes of the same modules: they are compiled once.
unexport PYTHONDONTWRITEBYTECODE

help: ## say what the targets do
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1 \2/p' Makefile | awk '{ t = $$2; $$1 = $$2 = ""; printf "  make %-6s %s\n", t, substr($$0, 3) }'
	@echo "  ARGS=\"…\" is handed on, as in: make test ARGS=\"-k ussd -x\""

run: ## start everything here; Ctrl-C ends it
	@scripts/bootstrap.sh run
	@exec $(BIN)/spotlight up $(ARGS)

test: bootstrap ## the whole test suite, in five processes, each on its own PostgreSQL and Redis
	$(BIN)/pytest -n 5 $(ARGS)

check: bootstrap ## format, lint, types, who imports whom
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: bootstrap ## the benchmarks, each beside the floor measured in the same run
	$(BIN)/python -m tests.bench $(ARGS)

chaos: bootstrap ## votes while processes are killed, a million acts in any order, an evening of 2,000 voters; counts violations
	$(BIN)/python -m tests.chaos $(ARGS)

fuzz: bootstrap ## random screens' inputs, texts and requests to the API, from a fresh seed
	SPOTLIGHT_FUZZ_INPUTS=1000000 $(BIN)/pytest -m fuzz $(ARGS)

clean: ## delete .venv and caches; the data in .spotlight stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache build dist
	find . -name __pycache__ -type d -not -path './.spotlight/*' -prune -exec rm -rf {} +

bootstrap:
	@scripts/bootstrap.sh
