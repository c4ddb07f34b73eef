# The commands of this project: `make` lists them. Needs Python 3.11 or newer, git and make; no other tool.
#
# .venv has two layers, each with a stamp file: dsops and its sandbox for the demo, and on top of it the packages for tests
# and checks. A layer is installed again when its pinned list or pyproject.toml changes.

VENV := .venv
PY := $(VENV)/bin/python
DEMO := $(VENV)/.installed-demo
DEV := $(VENV)/.installed-dev
SITE := $(VENV)/.installed-site
GITHUB := $(VENV)/.installed-github
RELEASE_VENV := .venv-release
RELEASE := $(RELEASE_VENV)/.installed
PIP := $(PY) -m pip --quiet --disable-pip-version-check --no-input
LOCK_VENV := .venv-lock
COMPILE := $(LOCK_VENV)/bin/pip-compile --quiet --generate-hashes --strip-extras --resolver backtracking \
	--no-header --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options

# Use the first of these that is new enough; `make PYTHON=/path/to/python3.12 ...` uses only that one.
PYTHON ?=
CANDIDATES := $(if $(PYTHON),$(PYTHON),python3 python3.14 python3.13 python3.12 python3.11 python)

# Unset inherited settings: without bytecode every start is slow, and a foreign PYTHONPATH changes the imports.
unexport PYTHONDONTWRITEBYTECODE PYTHONPATH PYTHONHOME PYTHONSTARTUP VIRTUAL_ENV PIP_REQUIRE_VIRTUALENV PIP_USER

.DEFAULT_GOAL := help
.PHONY: help demo example test test-clients nightly fuzz lint format types contracts workflows changelog check bench \
	site launcher dist verify-dist verify-system lock clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-14s %s\n", $$1, $$2}' Makefile

demo: $(DEMO) ## run a command with secrets of a local AWS, read through two roles
	@$(PY) examples/demo/run.py

example: $(DEMO) ## run an example of examples/: make example NAME=break-glass
	@test -f "examples/$(NAME)/run.sh" || { echo "say which: make example NAME=..., of" >&2; \
		ls examples/*/run.sh | cut -d/ -f2 >&2; exit 2; }
	@PATH="$(abspath $(VENV))/bin:$$PATH" sh "examples/$(NAME)/run.sh"

# Each test belongs to one of the three (tests/groups.py). `python -m tests` runs pytest and ends what tests leave behind.
# Run the folders in this order: clients, contract, examples and scripts are a few long files, unit/ is many short ones.
# pytest-xdist orders files by their number of tests, so the long ones would come last and leave the other core idle.
PYTEST = $(PY) -m tests -m $(1) \
	$(if $(ARGS),$(ARGS),--numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder)

test: $(DEV) ## run the tests that need only Python (ARGS='-k plan -x' is passed to pytest)
	@$(call PYTEST,'not clients and not nightly')

test-clients: $(DEV) ## run the tests with programs of others: SDKs, browser, shells (downloads 1.3 GB once)
	@$(call PYTEST,clients)

nightly: $(DEV) ## run the tests that take long, and each property with all its examples (downloads 5 MB once)
	@DSOPS_TESTS_NIGHTLY=1 $(call PYTEST,'nightly or (hypothesis and not clients)')

fuzz: $(DEV) ## fuzz the parsers for an hour (SECONDS=600 TARGET=policy: one parser; TARGET=launcher: both clients, needs Rust)
	@$(PY) -m $(if $(filter launcher,$(TARGET)),tests.launcher.differential,tests.fuzz $(TARGET)) --seconds $(or $(SECONDS),3600)

lint: $(DEV) ## run ruff: lint rules and formatting
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check --quiet . || { echo "not formatted: run 'make format'" >&2; exit 1; }

format: $(DEV) ## format every file with ruff
	@$(PY) -m ruff format --quiet .

types: $(DEV) ## run mypy --strict
	@$(PY) -m mypy

contracts: $(DEV) ## check the import contracts
	@$(VENV)/bin/lint-imports

# A check of YAML files that prints nothing if they are valid.
SCHEMA = output=$$($(VENV)/bin/check-jsonschema --builtin-schema $(1) $(2)) || { echo "$$output"; exit 1; }

workflows: $(GITHUB) ## check what GitHub reads: actionlint (needs Go), zizmor, and the schemas of .github/ and action.yml
	@$(call SCHEMA,vendor.github-workflows,.github/workflows/*.yml)
	@$(call SCHEMA,custom.github-workflows-require-timeout,.github/workflows/*.yml)
	@$(call SCHEMA,vendor.github-actions,action.yml)
	@$(call SCHEMA,vendor.dependabot,.github/dependabot.yml)
	@$(call SCHEMA,vendor.github-issue-config,.github/ISSUE_TEMPLATE/config.yml)
	@$(call SCHEMA,vendor.github-issue-forms,$(filter-out %/config.yml,$(wildcard .github/ISSUE_TEMPLATE/*.yml)))
	@$(VENV)/bin/zizmor --quiet --offline --no-progress --persona=pedantic .github action.yml
	@if command -v go >/dev/null; then \
		go -C .github/tools build -o $(abspath $(VENV))/bin/actionlint github.com/rhysd/actionlint/cmd/actionlint && \
		$(VENV)/bin/actionlint; \
	else echo "actionlint did not run, because it needs Go"; fi

changelog: $(GITHUB) ## print the changes of the next release; with VERSION=1.2.0, move them to CHANGELOG.md
	@$(VENV)/bin/towncrier build $(if $(VERSION),--yes,--draft) --version "$(or $(VERSION),next release)"

check: lint types contracts test ## run lint, types, contracts and test: what a change needs before a review

bench: $(DEV) ## measure the tables of bench/README.md for dsops, its agent and the sandbox, beside other programs on the PATH
	@$(PY) bench/run.py $(ARGS)
	@echo
	@$(PY) bench/agent.py $(ARGS)
	@echo
	@$(PY) bench/services.py $(ARGS)

site: $(SITE) ## build the site of the documentation into build/site, and check its links (VERSION=1.2: of this version)
	@$(PY) -m website $(if $(VERSION),--version $(VERSION)) $(if $(URL),--url $(URL))

launcher: $(DEMO) ## build the native launcher into .venv as `dsops` (needs Rust)
	@$(PY) -m release.launcher $(VENV)/bin

dist: $(RELEASE) ## build the artifacts of a release into dist/ (ARGS=--allow-dirty: also with uncommitted changes)
	@if command -v go >/dev/null; then \
		go -C release/nfpm build -trimpath -o $(abspath $(RELEASE_VENV))/bin/nfpm github.com/goreleaser/nfpm/v2/cmd/nfpm; fi
	@$(RELEASE_VENV)/bin/python -m release.build $(ARGS)

SYSTEM_TESTS := tests/release/test_packages.py tests/release/test_images.py

verify-dist: $(DEV) $(RELEASE) ## install each artifact of dist/ in a clean place, and run it
	@RELEASE_DIST=$(abspath dist) $(PY) -m pytest -p no:xdist tests/release $(SYSTEM_TESTS:%=--ignore=%) $(ARGS)

# Needs root, debootstrap, rpm and buildah, and takes minutes: a test whose program is missing is skipped with the reason.
verify-system: $(DEV) $(RELEASE) ## install the packages of dist/ in a clean Debian, and build the container images
	@RELEASE_DIST=$(abspath dist) $(PY) -m pytest -p no:xdist $(SYSTEM_TESTS) $(ARGS)

outdated: $(GITHUB) ## list the installed packages that have a newer release
	@$(PY) -m pip --disable-pip-version-check --no-input list --outdated

# A package that could not be looked up counts as a failure: an index without advisories must not look like a good answer.
advisories: $(GITHUB) ## look up known vulnerabilities of every pinned package
	@for list in $(wildcard requirements/*.txt); do \
		echo "$$list"; $(VENV)/bin/pip-audit --strict --disable-pip --no-deps --progress-spinner off --requirement "$$list" || code=1; \
	done; exit $${code:-0}

lock: $(LOCK_VENV)/.installed ## resolve requirements/*.txt again (UPGRADE=1: to the newest versions)
	$(COMPILE) $(if $(UPGRADE),--upgrade) --extra sandbox --build-deps-for editable \
		--unsafe-package pycurl --no-allow-unsafe --output-file requirements/demo.txt pyproject.toml >/dev/null
	@# pip-compile warns in the file that pycurl is missing; pycurl.txt has it.
	@sed '/^# WARNING/,$$d' requirements/demo.txt > requirements/demo.txt.new
	@mv requirements/demo.txt.new requirements/demo.txt
	@# dsops' own dependencies, in the same versions, so that a CI job installs the versions that were tested.
	$(COMPILE) $(if $(UPGRADE),--upgrade) --constraint requirements/demo.txt --build-deps-for wheel \
		--unsafe-package pycurl --no-allow-unsafe --output-file requirements/install.txt pyproject.toml >/dev/null
	@sed '/^# WARNING/,$$d' requirements/install.txt > requirements/install.txt.new
	@mv requirements/install.txt.new requirements/install.txt
	$(COMPILE) $(if $(UPGRADE),--upgrade) --output-file requirements/pycurl.txt requirements/pycurl.in >/dev/null
	$(COMPILE) $(if $(UPGRADE),--upgrade) --output-file requirements/dev.txt requirements/dev.in >/dev/null
	$(COMPILE) $(if $(UPGRADE),--upgrade) --output-file requirements/site.txt requirements/site.in >/dev/null
	$(COMPILE) $(if $(UPGRADE),--upgrade) --output-file requirements/github.txt requirements/github.in >/dev/null
	@# pip-compile warns in the file that pip is missing, which each environment has.
	@sed '/^# WARNING/,$$d' requirements/github.txt > requirements/github.txt.new
	@mv requirements/github.txt.new requirements/github.txt
	$(COMPILE) $(if $(UPGRADE),--upgrade) --output-file requirements/publish.txt requirements/publish.in >/dev/null
	@# What dsops.pyz carries: the base and the extra that is pure Python.
	$(COMPILE) $(if $(UPGRADE),--upgrade) --constraint requirements/demo.txt --extra policy \
		--unsafe-package pycurl --no-allow-unsafe --output-file requirements/pyz.txt pyproject.toml >/dev/null
	@sed '/^# WARNING/,$$d' requirements/pyz.txt > requirements/pyz.txt.new
	@mv requirements/pyz.txt.new requirements/pyz.txt
	$(COMPILE) $(if $(UPGRADE),--upgrade) --output-file requirements/release.txt requirements/release.in >/dev/null

clean: ## remove the files that the other commands made
	rm -rf $(VENV) $(LOCK_VENV) $(RELEASE_VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .grimp_cache
	find src tests bench release examples -name __pycache__ -type d -prune -exec rm -rf {} +

# A symbolic link to a removed Python counts as missing, so the environment is created again.
$(PY):
	@for python in $(CANDIDATES); do \
		if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			if $$python -c 'import ensurepip, venv' 2>/dev/null; then \
				echo "making $(VENV) with $$($$python -c 'import sys; print(sys.executable, sys.version.split()[0])')"; \
				exec $$python -m venv --clear $(VENV); \
			fi; \
			echo "$$python has no venv module (on Debian and Ubuntu: apt install python3-venv)" >&2; \
		fi; \
	done; \
	echo "no usable Python 3.11 or newer among: $(CANDIDATES)" >&2; \
	echo "name one: make PYTHON=/path/to/python3.12 ..." >&2; \
	exit 1

# pycurl has no wheel for musl (Alpine); dsops then sends its requests with urllib3.
$(DEMO): requirements/demo.txt requirements/pycurl.txt pyproject.toml | $(PY)
	@echo "installing dsops and its sandbox into $(VENV)"
	@libc=$$($(PY) -c 'import sysconfig; print(sysconfig.get_config_var("HOST_GNU_TYPE"))'); \
	case $$libc in *musl*) pycurl= ;; *) pycurl="--requirement requirements/pycurl.txt" ;; esac; \
	$(PIP) install --require-hashes --requirement requirements/demo.txt $$pycurl
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(DEV): $(DEMO) requirements/dev.txt
	@echo "installing the tools for tests and checks into $(VENV)"
	@$(PIP) install --require-hashes --requirement requirements/dev.txt
	@touch $@

$(SITE): $(DEV) requirements/site.txt
	@echo "installing the tools for the site into $(VENV)"
	@$(PIP) install --require-hashes --requirement requirements/site.txt
	@touch $@

$(GITHUB): $(DEV) requirements/github.txt
	@echo "installing the tools for workflows, hooks and the changelog into $(VENV)"
	@$(PIP) install --require-hashes --requirement requirements/github.txt
	@touch $@

$(RELEASE): requirements/release.txt | $(PY)
	@echo "installing the tools for a release into $(RELEASE_VENV)"
	@$(PY) -m venv --clear $(RELEASE_VENV)
	@$(RELEASE_VENV)/bin/python -m pip --quiet --disable-pip-version-check --no-input install \
		--require-hashes --requirement requirements/release.txt
	@touch $@

$(LOCK_VENV)/.installed: $(PY)
	@$(PY) -m venv --clear $(LOCK_VENV)
	@$(LOCK_VENV)/bin/python -m pip --quiet --disable-pip-version-check install pip-tools==7.6.2
	@touch $@
