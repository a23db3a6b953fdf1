// Package health is a container's health check: a second process that queries the
// main process over HTTP. The image has no shell and no curl, so the binary itself
// is the client.
package health

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// Path is the path of the health endpoint.
const Path = "/healthz"

// timeout limits the wait. An ECS health check times out after 5 seconds by
// default.
const timeout = 4 * time.Second

// Ask queries the process listening on address, as host:port, and returns an error
// if it is unhealthy. A wildcard address is queried on loopback.
func Ask(ctx context.Context, address string) error {
	target, err := reachable(address)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+target+Path, nil)
	if err != nil {
		return fmt.Errorf("ask %s: %w", target, err)
	}
	client := http.Client{Transport: &http.Transport{}} // no proxy from the environment
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("the process does not respond: %w", err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the process responds with %s at http://%s%s; see its log", resp.Status, target, Path)
	}
	return nil
}

// reachable returns the address at which this machine reaches a listener on
// address.
func reachable(address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Errorf("the health address is %q; give host:port", address)
	}
	ip, err := netip.ParseAddr(host)
	switch {
	case host == "", err == nil && ip.IsUnspecified() && ip.Is4():
		host = "127.0.0.1"
	case err == nil && ip.IsUnspecified():
		host = "::1"
	}
	return net.JoinHostPort(host, port), nil
}
