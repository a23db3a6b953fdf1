package config

import (
	"errors"
	"fmt"

	"github.com/caarlos0/env/v11"
)

// HealthAddress is the address of a binary's health check.
type HealthAddress struct {
	Worker string `env:"RECFLOW_WORKER_HEALTH_ADDRESS"`
	API    string `env:"RECFLOW_API_ADDRESS" envDefault:"127.0.0.1:14570"`
}

// ReadHealthAddress reads HealthAddress. It ignores the binary's other settings.
func ReadHealthAddress() (HealthAddress, error) { return env.ParseAs[HealthAddress]() }

// validateHealth accepts loopback addresses only.
func (c Worker) validateHealth() error {
	if c.HealthAddress == "" || loopback(c.HealthAddress) {
		return nil
	}
	return fmt.Errorf("RECFLOW_WORKER_HEALTH_ADDRESS is %q; give a loopback host:port such as 127.0.0.1:14580", c.HealthAddress)
}

// ForWorker returns the worker's address, or an error if it is not set.
func (h HealthAddress) ForWorker() (string, error) {
	if h.Worker == "" {
		return "", errors.New("RECFLOW_WORKER_HEALTH_ADDRESS is not set; set the same value for the worker and its health check, such as 127.0.0.1:14580")
	}
	return h.Worker, nil
}
