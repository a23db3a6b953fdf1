# Everything runs on Go and Python 3.11 alone; `make setup` fetches the rest into
# RECFLOW_CACHE once (see internal/toolchain).
include tools.mk

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# The same folder that internal/config chooses.
ifeq ($(strip $(RECFLOW_CACHE)),)
ifeq ($(shell uname),Darwin)
RECFLOW_CACHE := $(HOME)/Library/Caches/recflow
else
RECFLOW_CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/recflow
endif
endif
export RECFLOW_CACHE
PYTHON = $(shell sed -n 's/.*"python": *"\([^"]*\)".*/\1/p' "$(RECFLOW_CACHE)/toolchain.json" 2>/dev/null)
GO_TESTS ?= ./...
GO_TEST_FLAGS ?= -timeout 45m
PY_TESTS ?= glue

.PHONY: checkov contract help build package images setup demo test test-go test-python lint lint-quick bench soak diagrams clean

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

package: ## dist/: what AWS runs, zips and images, the same bytes everywhere (RDS_CA=global-bundle.pem)
	@$(PACKAGE)

images: ## only the images of worker, API and admin (PUSH=registry/recflow/ pushes them, TAG=v1)
	@$(PACKAGE) -images

setup: build ## install the local tools into RECFLOW_CACHE, once
	@bin/recflow setup

demo: build ## the whole system on a real data set (DATA=path for another one)
	@bin/recflow demo $(if $(DATA),--data "$(DATA)")

test: test-go test-python ## all tests, Go and Python

test-go: setup
	@go test $(GO_TEST_FLAGS) $(GO_TESTS)

test-python: setup
	@if [ -d glue/tests ]; then "$(PYTHON)" -m pytest -q $(PY_TESTS); fi

lint: lint-quick contract checkov ## every linter (builds them the first time)
	@scripts/go-tool workflowcheck go.temporal.io/sdk/contrib/tools/workflowcheck@$(WORKFLOWCHECK_VERSION) ./workflows/...
	@scripts/go-tool golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION) run

contract: ## that the API's contract only grows since the last release
	@scripts/go-tool oasdiff github.com/oasdiff/oasdiff@$(OASDIFF_VERSION) breaking --fail-on WARN api/testdata/released.json api/openapi.json

checkov: setup ## that checkov finds nothing in terraform/ (installs it the first time)
	@scripts/checkov "$(PYTHON)" $(CHECKOV_VERSION)

lint-quick: setup ## gofmt, go vet and ruff
	@unformatted=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go')); \
	if [ -n "$$unformatted" ]; then echo "not formatted (run gofmt -w):"; echo "$$unformatted"; exit 1; fi
	@go vet ./...
	@if [ -d glue ]; then "$(PYTHON)" -m ruff check -q glue && "$(PYTHON)" -m ruff format -q --check glue; fi

bench: setup ## what loading, searching and training cost, as ratios (SIZE=1m for a million items)
	@go run ./bench/loader $(if $(SIZE),-size $(SIZE))
	@go run ./bench/search $(if $(SIZE),-size $(SIZE))
	@go run ./bench/api $(if $(SIZE),-size $(SIZE))
	@if [ -f bench/glue/job.py ]; then "$(PYTHON)" bench/glue/job.py; fi

soak: setup ## the long forms of the fault tests
	@go test -timeout 3h -count 1 -v -p 1 ./internal/vectorstore ./worker ./lambda ./api -soak
	@go test -timeout 2h -count 1 -v ./cmd/recflow -run Soak -soak

diagrams: ## draw docs/diagrams/*.svg from their text (builds the tool the first time)
	@for d in docs/diagrams/*.d2; do \
	scripts/go-tool d2 oss.terrastruct.com/d2@$(D2_VERSION) --elk-nodeNodeBetweenLayers 45 $$d $${d%.d2}.svg; \
	chmod 644 $${d%.d2}.svg; done

clean: ## remove what a build made; the caches and .recflow stay
	@rm -rf bin dist spark-warehouse metastore_db derby.log
	@find glue -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
