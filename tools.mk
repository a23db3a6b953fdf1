# The versions of the Go tools that check this code, in one place. They are
# built once into the cache folder; nothing of them is in go.mod.
GOLANGCI_LINT_VERSION := v2.15.0
WORKFLOWCHECK_VERSION := v0.6.0
OASDIFF_VERSION := v1.37.0
D2_VERSION := v0.7.2

# Of PyPI, for `make checkov`, in a virtual environment of its own.
CHECKOV_VERSION := 3.3.30
