package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/caarlos0/env/v11"
)

// API is the configuration of the API binary.
type API struct {
	Database Database
	Temporal Temporal
	Stream   Stream
	Storage  Storage // for reading quarantined records; without a bucket there are none
	Search   Search

	// Address is the listen address, as host:port.
	Address string `env:"RECFLOW_API_ADDRESS" envDefault:"127.0.0.1:14570"`

	// MetricsAddress serves Prometheus metrics. Do not expose it publicly.
	MetricsAddress string `env:"RECFLOW_API_METRICS_ADDRESS" envDefault:"127.0.0.1:14571"`

	// Auth is "token", or "none": every caller has full access, which is accepted
	// on a loopback address only.
	Auth string `env:"RECFLOW_API_AUTH" envDefault:"token"`

	// Rate is the sustained number of requests per second of a token; Burst is the
	// maximum burst.
	Rate  float64 `env:"RECFLOW_API_RATE" envDefault:"200"`
	Burst int     `env:"RECFLOW_API_BURST" envDefault:"400"`

	// BuildID names the code that answers. Empty: the VCS revision.
	BuildID string `env:"RECFLOW_BUILD_ID"`

	// DrainTimeout is how long requests in progress get when the process stops.
	DrainTimeout time.Duration `env:"RECFLOW_API_DRAIN_TIMEOUT" envDefault:"30s"`
}

// Authentication modes.
const (
	AuthToken = "token"
	AuthNone  = "none"
)

// ReadAPI reads and validates API.
func ReadAPI() (API, error) {
	c, err := env.ParseAs[API]()
	if err != nil {
		return API{}, err
	}
	c.Search.Memory = searchMemory(c.Search.Memory)
	return c, c.Validate()
}

// Validate reports all mistakes at once and names the variables.
func (c API) Validate() error {
	errs := []error{c.Database.Validate(), c.Temporal.validate()}
	for _, a := range []struct{ name, address string }{
		{"RECFLOW_API_ADDRESS", c.Address}, {"RECFLOW_API_METRICS_ADDRESS", c.MetricsAddress},
	} {
		if _, _, err := net.SplitHostPort(a.address); err != nil {
			errs = append(errs, fmt.Errorf("%s is %q; give host:port", a.name, a.address))
		}
	}
	switch c.Auth {
	case AuthToken:
	case AuthNone:
		if !loopback(c.Address) {
			errs = append(errs, fmt.Errorf("RECFLOW_API_AUTH is none, but %s is not a loopback address: use token, or listen on 127.0.0.1", c.Address))
		}
	default:
		errs = append(errs, fmt.Errorf("RECFLOW_API_AUTH is %q; use token or none", c.Auth))
	}
	if c.Rate <= 0 || c.Burst < 1 {
		errs = append(errs, errors.New("RECFLOW_API_RATE and RECFLOW_API_BURST must be positive"))
	}
	errs = append(errs, c.Search.validate())
	if c.DrainTimeout < 0 {
		errs = append(errs, fmt.Errorf("RECFLOW_API_DRAIN_TIMEOUT is %s; it must not be negative", c.DrainTimeout))
	}
	return errors.Join(errs...)
}

// loopback reports whether the address is reachable from this machine only. A name,
// even localhost, may resolve to anything.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
