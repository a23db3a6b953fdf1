# Only Go, Python 3.11 and a C compiler (for the race detector and vale) are required;
# `make setup` installs the rest into RECFLOW_CACHE once (see internal/local/toolchain).
include tools.mk

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# The same directory that internal/config uses.
ifeq ($(strip $(RECFLOW_CACHE)),)
ifeq ($(shell uname),Darwin)
RECFLOW_CACHE := $(HOME)/Library/Caches/recflow
else
RECFLOW_CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/recflow
endif
endif
export RECFLOW_CACHE
# The Python installed by make setup, for tests and benchmarks.
PYTHON = $(shell sed -n 's/.*"python": *"\([^"]*\)".*/\1/p' "$(RECFLOW_CACHE)/toolchain.json" 2>/dev/null)
# The Python on PATH, for linters, each of which has its own environment.
HOST_PYTHON = $(or $(shell command -v python3.11 || command -v python3),python3)
RUFF = scripts/python-tool "$(HOST_PYTHON)" ruff $(shell sed -n 's/^ruff==//p' glue/requirements-dev.txt) ruff

GO_TESTS ?= ./...
GO_TEST_FLAGS ?= -timeout 40m
PY_TESTS ?= glue
# Packages whose tests need Postgres and share data between goroutines: test-race
# runs all of their tests, and the unit tests of all other packages.
RACE_TESTS ?= ./activities ./api/... ./internal/gates ./internal/recommend ./internal/postgres/... ./lambda

.PHONY: help build package images setup demo check check-deploy test test-go test-python test-unit test-race test-deploy \
	lint lint-go lint-python lint-terraform prose commits contract checkov vulncheck fmt tidy bench soak diagrams clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

build: ## build bin/recflow, bin/recflow-worker, bin/recflow-api and bin/recflow-lambda
	@mkdir -p bin
	@go build -o bin/recflow ./cmd/recflow
	@go build -o bin/recflow-worker ./worker
	@go build -o bin/recflow-api ./api
	@CGO_ENABLED=0 go build -tags lambda.norpc -o bin/recflow-lambda ./lambda

PACKAGE = echo "building the packager" >&2; go run ./scripts/package $(if $(RDS_CA),-rds-ca "$(RDS_CA)") $(if $(ARCH),-arch "$(ARCH)") \
	$(if $(REVISION),-revision "$(REVISION)") $(if $(PUSH),-push "$(PUSH)") $(if $(TAG),-tag "$(TAG)")

package: ## build zips, wheels and images for AWS into dist/, reproducibly (RDS_CA=global-bundle.pem)
	@$(PACKAGE)

images: ## build only the images of worker, API and admin (PUSH=registry/recflow/ pushes them, TAG=v1)
	@$(PACKAGE) -images

setup: build ## install the local tools into RECFLOW_CACHE
	@bin/recflow setup

demo: build ## run the whole system on a real data set (DATA=path for another one)
	@bin/recflow demo $(if $(DATA),--data "$(DATA)")

check: lint check-deploy test test-race ## run what CI runs

test: test-go test-python ## run all tests, Go and Python

test-go: setup
	@scripts/gotest $(GO_TEST_FLAGS) $(GO_TESTS)

test-python: setup
	@"$(PYTHON)" -m pytest -q $(PY_TESTS)

test-unit: ## run the Go tests that need no setup, in a minute
	@scripts/gotest -short $(GO_TESTS)

test-race: setup ## run unit and Postgres tests with the race detector
	@scripts/gotest -race -short $(filter-out $(shell go list $(RACE_TESTS)),$(shell go list ./...))
	@scripts/gotest -race $(GO_TEST_FLAGS) $(RACE_TESTS)

test-deploy: setup ## run the deployment guide against an emulator (needs terraform, curl and jq)
	@scripts/gotest -count 1 -timeout 45m -run '^TestDeployed$$' ./internal/e2e -deploy
	@scripts/deploy-digest > .ci/deploy.sum

check-deploy: ## run test-deploy if one of its inputs has changed or CI_FULL=1
	@if [ -z "$(CI_FULL)" ] && [ "$$(scripts/deploy-digest)" = "$$(cat .ci/deploy.sum)" ]; then \
	echo "the inputs of make test-deploy have not changed since it last passed (.ci/deploy.sum)" >&2; \
	else $(MAKE) --no-print-directory test-deploy; fi

lint: lint-go lint-python lint-terraform prose commits contract checkov vulncheck ## run every linter (builds them the first time)

lint-go:
	@unformatted=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go')); \
	if [ -n "$$unformatted" ]; then echo "not formatted (run make fmt):"; echo "$$unformatted"; exit 1; fi
	@go vet ./...
	@GOOS=linux GOARCH=arm64 go vet ./internal/search # assembly and what calls it
	@scripts/go-tool workflowcheck go.temporal.io/sdk/contrib/tools/workflowcheck@$(WORKFLOWCHECK_VERSION) ./workflows/...
	@scripts/go-tool golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION) run

lint-python:
	@$(RUFF) check -q glue
	@$(RUFF) format -q --check glue

lint-terraform:
	@scripts/gotest -run 'TestFilesAreFormatted|TestModulesAreValid' ./terraform

prose: ## check the wording of texts with the rules in .vale/ (builds vale the first time)
	@CGO_ENABLED=1 go run ./scripts/prose scripts/go-tool vale github.com/vale-cli/vale/v3/cmd/vale@$(VALE_VERSION)

commits: ## check the subjects of new commits: "area: imperative summary"
	@scripts/commit-subjects

contract: ## check that the API has no breaking change since the last release
	@scripts/go-tool oasdiff github.com/oasdiff/oasdiff@$(OASDIFF_VERSION) breaking --fail-on WARN api/testdata/released.json api/openapi.json

checkov: ## check terraform/ with checkov (installs it the first time)
	@scripts/checkov "$(HOST_PYTHON)" $(CHECKOV_VERSION)

vulncheck: ## check that no known vulnerability is called (VULNCHECK=required fails without the database)
	@VULNCHECK="$(VULNCHECK)" scripts/vulncheck golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION)

fmt: ## format Go, Python and Terraform
	@gofmt -w $$(git ls-files -co --exclude-standard '*.go')
	@$(RUFF) check -q --fix glue
	@$(RUFF) format -q glue
	@terraform fmt -recursive terraform

tidy: ## update go.mod and go.sum
	@go mod tidy

bench: setup ## measure the cost of loading, searching and training as ratios (SIZE=1m for a million items)
	@go run ./bench/loader $(if $(SIZE),-size $(SIZE))
	@go run ./bench/index
	@go run ./bench/foldin
	@go run ./bench/search $(if $(SIZE),-size $(SIZE))
	@go run ./bench/api $(if $(SIZE),-size $(SIZE))
	@go run ./bench/lists $(if $(SIZE),-size $(SIZE))
	@go run ./bench/events
	@go run ./bench/import $(if $(SIZE),-size $(SIZE))
	@"$(PYTHON)" bench/glue/job.py

soak: setup ## run the long forms of the fault tests (SEED=7 repeats the random faults of a run)
	@go test -timeout 3h -count 1 -v -p 1 ./internal/postgres/... ./worker ./lambda ./api -soak $(if $(SEED),-seed $(SEED))
	@go test -timeout 2h -count 1 -v ./internal/e2e -run 'Soak|hot_user' -soak $(if $(SEED),-seed $(SEED))

diagrams: ## render docs/diagrams/*.svg (builds the tool the first time)
	@for d in docs/diagrams/*.d2; do \
	scripts/go-tool d2 oss.terrastruct.com/d2@$(D2_VERSION) --elk-nodeNodeBetweenLayers 45 $$d $${d%.d2}.svg; \
	chmod 644 $${d%.d2}.svg; done

clean: ## remove build output; keep the caches and .recflow
	@rm -rf bin dist spark-warehouse metastore_db derby.log
	@find glue -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
