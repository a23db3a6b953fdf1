package config

import "github.com/caarlos0/env/v11"

// Registry is the container registry to push images to. Without a password Docker's
// own configuration is used.
type Registry struct {
	// User is AWS when `aws ecr get-login-password` provides the password.
	User     string `env:"RECFLOW_REGISTRY_USER" envDefault:"AWS"`
	Password string `env:"RECFLOW_REGISTRY_PASSWORD"`
}

// ReadRegistry reads Registry.
func ReadRegistry() (Registry, error) { return env.ParseAs[Registry]() }
