package temporalconfig

import (
	"context"
	"errors"
	"fmt"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc/codes"
)

// Check returns an error unless Temporal answers a request for the namespace. The
// SDK's CheckHealth names no namespace, so Temporal Cloud refuses it with an API key.
func Check(ctx context.Context, c client.Client, namespace string) error {
	_, err := c.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: namespace})
	var missing *serviceerror.NamespaceNotFound
	switch {
	case err == nil:
		return nil
	case errors.As(err, &missing):
		return fmt.Errorf("the namespace %s does not exist: %w", namespace, err)
	case Refused(err):
		return fmt.Errorf("Temporal refuses the credentials for the namespace %s: %w", namespace, err)
	}
	return fmt.Errorf("Temporal does not answer: %w", err)
}

// Refused reports whether Temporal refused a request because of its credentials.
func Refused(err error) bool {
	var denied *serviceerror.PermissionDenied
	return err != nil && (errors.As(err, &denied) || serviceerror.ToStatus(err).Code() == codes.Unauthenticated)
}
