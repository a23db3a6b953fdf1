package main

import (
	"errors"
	"fmt"

	"github.com/recflow/recflow/internal/apiclient"
)

// openAPI returns a client of the running system's API. It connects when it is
// first used.
func (a *app) openAPI() (*apiclient.Client, error) {
	c, err := clientConfig()
	if err != nil {
		return nil, err
	}
	if c.API.URL == "" {
		return nil, errors.New("there is no local stack here; start it with `recflow up`, or set RECFLOW_API_URL and RECFLOW_API_TOKEN")
	}
	return apiclient.New(apiclient.Options{URL: c.API.URL, Token: c.API.Token}), nil
}

// explainAPI adds to an error of the API what a person can do about it here.
func explainAPI(err error) error {
	var gone *apiclient.Unreachable
	if errors.As(err, &gone) {
		return fmt.Errorf("%w; see `recflow status`, start the local stack with `recflow up`", err)
	}
	return err
}
