// Package health is the health check of a container: a second process, started
// beside the first by whoever runs it, asks that one over HTTP whether it is
// well. The image has no shell and no curl, so the binary itself is the caller.
package health

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// Path is where a process answers.
const Path = "/healthz"

// timeout bounds the wait. ECS gives a health check 5 seconds unless told
// otherwise.
const timeout = 4 * time.Second

// Ask asks the process that listens on address, as host:port, and returns an
// error that says what is wrong with it. An address that stands for all of the
// machine's is asked on loopback.
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
	client := http.Client{Transport: &http.Transport{}} // no proxy of the environment stands between
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("the process does not answer: %w", err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the process answers %s at http://%s%s; its log says why", resp.Status, target, Path)
	}
	return nil
}

// reachable is the address under which this machine reaches a listener on
// address.
func reachable(address string) (string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Errorf("the address to ask is %q; give host:port", address)
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
