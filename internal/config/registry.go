package config

import "github.com/caarlos0/env/v11"

// Registry is how images are pushed. Without a password Docker's own
// configuration is used.
type Registry struct {
	// User is AWS where `aws ecr get-login-password` gives the password.
	User     string `env:"RECFLOW_REGISTRY_USER" envDefault:"AWS"`
	Password string `env:"RECFLOW_REGISTRY_PASSWORD"`
}

// ReadRegistry reads Registry.
func ReadRegistry() (Registry, error) { return env.ParseAs[Registry]() }
