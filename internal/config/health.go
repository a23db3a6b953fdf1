package config

import (
	"errors"
	"fmt"

	"github.com/caarlos0/env/v11"
)

// HealthAddress is where a binary's health check finds it.
type HealthAddress struct {
	Worker string `env:"RECFLOW_WORKER_HEALTH_ADDRESS"`
	API    string `env:"RECFLOW_API_ADDRESS" envDefault:"127.0.0.1:14570"`
}

// ReadHealthAddress reads HealthAddress: nothing else of a binary's settings
// decides whether it is asked.
func ReadHealthAddress() (HealthAddress, error) { return env.ParseAs[HealthAddress]() }

// validateHealth accepts an address that only this machine reaches.
func (c Worker) validateHealth() error {
	if c.HealthAddress == "" || loopback(c.HealthAddress) {
		return nil
	}
	return fmt.Errorf("RECFLOW_WORKER_HEALTH_ADDRESS is %q; give a loopback host:port such as 127.0.0.1:14580", c.HealthAddress)
}

// ForWorker is the worker's address, or why there is none.
func (h HealthAddress) ForWorker() (string, error) {
	if h.Worker == "" {
		return "", errors.New("RECFLOW_WORKER_HEALTH_ADDRESS is not set; give the worker and its health check the same one, such as 127.0.0.1:14580")
	}
	return h.Worker, nil
}
