# The pinned versions of the Go tools that check this code. They are built once into
# the cache directory and are not in go.mod.
GOLANGCI_LINT_VERSION := v2.15.0
WORKFLOWCHECK_VERSION := v0.6.0
OASDIFF_VERSION := v1.37.0
GOTESTSUM_VERSION := v1.13.0
GOVULNCHECK_VERSION := v1.9.0
D2_VERSION := v0.7.2
VALE_VERSION := v3.22.0

# Python packages, each in its own virtual environment: for `make checkov`, and for the
# test of the deployment guide.
CHECKOV_VERSION := 3.3.30
AWSCLI_VERSION := 1.46.3
