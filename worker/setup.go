package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"github.com/recflow/recflow/workflows"
)

// ensureSearchAttributes registers the search attributes that the namespace
// lacks. A workflow that sets an unregistered attribute is stuck, so a worker
// that cannot register them does not start. It is safe to run in several
// workers at the same time.
func ensureSearchAttributes(ctx context.Context, c client.Client, namespace string) error {
	known, err := c.OperatorService().ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	if err != nil {
		return fmt.Errorf("list the search attributes of namespace %s: %w", namespace, err)
	}
	missing := map[string]enumspb.IndexedValueType{}
	var flags []string
	for _, key := range workflows.SearchAttributes() {
		if _, ok := known.CustomAttributes[key.GetName()]; !ok {
			missing[key.GetName()] = key.GetValueType()
			flags = append(flags, fmt.Sprintf("--name %s --type %s", key.GetName(), key.GetValueType()))
		}
	}
	if len(missing) == 0 {
		return nil
	}
	_, err = c.OperatorService().AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{
		Namespace: namespace, SearchAttributes: missing,
	})
	if exists := (*serviceerror.AlreadyExists)(nil); err != nil && !errors.As(err, &exists) {
		return fmt.Errorf("add search attributes to namespace %s: %w; add them by hand: temporal operator search-attribute create --namespace %s %s",
			namespace, err, namespace, strings.Join(flags, " "))
	}
	return nil
}
