package app

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/recflow/recflow/internal/recsys"
)

// ReadInterest reads a file of interest settings, YAML or JSON. An unknown key, a
// mistake in a value and an empty file are errors.
func ReadInterest(path string) (*recsys.InterestSettings, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var s recsys.InterestSettings
	err = yaml.NewDecoder(bytes.NewReader(data), yaml.DisallowUnknownField()).Decode(&s)
	switch {
	case errors.Is(err, io.EOF):
		return nil, fmt.Errorf("%s is empty; `recflow interest show --defaults` prints settings to start from", path)
	case err != nil:
		return nil, fmt.Errorf("%s: %s", path, strings.TrimSpace(yaml.FormatError(err, false, true)))
	}
	if _, err := s.Interest(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &s, nil
}
