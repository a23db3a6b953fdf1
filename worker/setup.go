package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/config/temporalconfig"
	"github.com/recflow/recflow/workflows"
)

// cloudDomains are those of Temporal Cloud's addresses: of a namespace and of a region.
var cloudDomains = []string{".tmprl.cloud", ".api.temporal.io"}

// ensureSearchAttributes registers the search attributes that the namespace lacks. A
// workflow that sets an unregistered attribute is stuck, so a worker that knows that
// it cannot register them does not start. Temporal Cloud registers them with tcld, and
// may refuse to list them: then the worker logs the command and starts. It is safe to
// run in several workers at the same time.
func ensureSearchAttributes(ctx context.Context, log *slog.Logger, c client.Client, t config.Temporal) error {
	known, err := c.OperatorService().ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: t.Namespace})
	if temporalconfig.Refused(err) {
		log.WarnContext(ctx, "Temporal does not list the search attributes; workflows are stuck if one is missing", "error", err,
			"register", registration(t, workflows.SearchAttributes()))
		return nil
	}
	if err != nil {
		return fmt.Errorf("list the search attributes of namespace %s: %w", t.Namespace, err)
	}
	missing := map[string]enumspb.IndexedValueType{}
	var keys []temporal.SearchAttributeKey
	for _, key := range workflows.SearchAttributes() {
		if _, ok := known.CustomAttributes[key.GetName()]; !ok {
			missing[key.GetName()] = key.GetValueType()
			keys = append(keys, key)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	_, err = c.OperatorService().AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{
		Namespace: t.Namespace, SearchAttributes: missing,
	})
	if exists := (*serviceerror.AlreadyExists)(nil); err != nil && !errors.As(err, &exists) {
		return fmt.Errorf("add search attributes to namespace %s: %w; add them by hand: %s", t.Namespace, err, registration(t, keys))
	}
	return nil
}

// registration returns the command that registers search attributes.
func registration(t config.Temporal, keys []temporal.SearchAttributeKey) string {
	host, _, err := net.SplitHostPort(t.Address)
	cloud := err == nil && slices.ContainsFunc(cloudDomains, func(domain string) bool { return strings.HasSuffix(host, domain) })
	command, flag := "temporal operator search-attribute create --namespace "+t.Namespace, " --name %s --type %s"
	if cloud {
		command, flag = "tcld namespace search-attributes add --namespace "+t.Namespace, " --search-attribute %s=%s"
	}
	for _, key := range keys {
		command += fmt.Sprintf(flag, key.GetName(), key.GetValueType())
	}
	return command
}
