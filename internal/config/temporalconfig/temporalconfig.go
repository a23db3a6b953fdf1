// Package temporalconfig builds Temporal client options from settings:
// config.Temporal has the address, and Temporal's own variables (TEMPORAL_API_KEY,
// TEMPORAL_TLS_CLIENT_CERT_DATA, …) the credentials. It is separate from config
// so that the stream function, which has settings and no workflows, does not link
// Temporal's SDK.
package temporalconfig

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	sdklog "go.temporal.io/sdk/log"

	"github.com/recflow/recflow/internal/config"
)

// Options returns client options from the environment: plain text, TLS, mutual TLS,
// or an API key. Errors name the variable and never a value.
func Options(c config.Temporal, log sdklog.Logger) (client.Options, error) {
	return options(c, log, set{envconfig.EnvLookupOS})
}

func options(c config.Temporal, log sdklog.Logger, env envconfig.EnvLookup) (client.Options, error) {
	if err := validate(c, env); err != nil {
		return client.Options{}, err
	}
	o, err := envconfig.LoadClientOptions(envconfig.LoadClientOptionsRequest{DisableFile: true, EnvLookup: env})
	if err != nil {
		return client.Options{}, fmt.Errorf("%s: %w", cmp.Or(mentioned(env), "the TEMPORAL_ variables"), err)
	}
	o.HostPort, o.Namespace, o.Logger = c.Address, c.Namespace, log
	return o, nil
}

// validate rejects settings that Temporal's package would silently ignore.
func validate(c config.Temporal, env envconfig.EnvLookup) error {
	var errs []error
	for _, name := range []string{"TEMPORAL_TLS", "TEMPORAL_TLS_DISABLE_HOST_VERIFICATION"} {
		value, _ := env.LookupEnv(name)
		switch strings.ToLower(value) {
		case "", "0", "1", "true", "false":
		default:
			errs = append(errs, fmt.Errorf("%s is %q; use true or false", name, value))
		}
	}
	for _, kind := range []string{"DATA", "PATH"} {
		certificate, key := "TEMPORAL_TLS_CLIENT_CERT_"+kind, "TEMPORAL_TLS_CLIENT_KEY_"+kind
		switch {
		case has(env, certificate) && !has(env, key):
			errs = append(errs, fmt.Errorf("%s is set and %s is not; a certificate needs its key", certificate, key))
		case has(env, key) && !has(env, certificate):
			errs = append(errs, fmt.Errorf("%s is set and %s is not; a key needs its certificate", key, certificate))
		}
	}
	if has(env, "TEMPORAL_API_KEY") && !loopback(c.Address) {
		if off(env, "TEMPORAL_TLS") {
			errs = append(errs, errors.New("TEMPORAL_TLS is false, so TEMPORAL_API_KEY would be sent in plain text; unset TEMPORAL_TLS"))
		}
		if on(env, "TEMPORAL_TLS_DISABLE_HOST_VERIFICATION") {
			errs = append(errs, errors.New("TEMPORAL_TLS_DISABLE_HOST_VERIFICATION is true, so TEMPORAL_API_KEY could be sent to an unverified server; "+
				"set TEMPORAL_TLS_SERVER_CA_CERT_DATA or TEMPORAL_TLS_SERVER_NAME instead"))
		}
	}
	return errors.Join(errs...)
}

// mentioned returns the names of the TLS variables that are set, for the error when
// one is unusable.
func mentioned(env envconfig.EnvLookup) string {
	var names []string
	for _, name := range []string{
		"TEMPORAL_TLS_CLIENT_CERT_DATA", "TEMPORAL_TLS_CLIENT_KEY_DATA", "TEMPORAL_TLS_CLIENT_CERT_PATH", "TEMPORAL_TLS_CLIENT_KEY_PATH",
		"TEMPORAL_TLS_SERVER_CA_CERT_DATA", "TEMPORAL_TLS_SERVER_CA_CERT_PATH",
	} {
		if has(env, name) {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

func has(env envconfig.EnvLookup, name string) bool { _, ok := env.LookupEnv(name); return ok }

func on(env envconfig.EnvLookup, name string) bool {
	value, _ := env.LookupEnv(name)
	return value == "1" || strings.EqualFold(value, "true")
}

func off(env envconfig.EnvLookup, name string) bool {
	value, _ := env.LookupEnv(name)
	return value == "0" || strings.EqualFold(value, "false")
}

func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// set hides variables set to an empty value, which a deployment without a
// certificate may pass, and removes white space around values: a secret that was
// stored from a file usually ends with a newline, which no header may have.
type set struct{ envconfig.EnvLookup }

func (e set) LookupEnv(name string) (string, bool) {
	value, _ := e.EnvLookup.LookupEnv(name)
	value = strings.TrimSpace(value)
	return value, value != ""
}
