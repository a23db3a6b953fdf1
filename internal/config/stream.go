package config

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/caarlos0/env/v11"
)

// Stream is where events enter.
type Stream struct {
	// Name of the Kinesis stream.
	Name string `env:"RECFLOW_STREAM"`

	// Status is the address that tells how far the local event source mapping
	// is. On AWS CloudWatch tells it.
	Status string `env:"RECFLOW_STREAM_STATUS"`
}

// Delivery names the Firehose streams through which everything leaves.
type Delivery struct {
	Recommendations string `env:"RECFLOW_FIREHOSE_RECOMMENDATIONS"`
	Events          string `env:"RECFLOW_FIREHOSE_EVENTS"`
	Quarantine      string `env:"RECFLOW_FIREHOSE_QUARANTINE"`
}

// Lambda is everything the stream handler needs.
type Lambda struct {
	Database Database
	Storage  Storage // for records that are too large for a delivery stream
	Delivery Delivery

	// ListLength is the number of items of a delivered list.
	ListLength int `env:"RECFLOW_LIST_LENGTH" envDefault:"20"`

	// EvaluateShare is the share of the events that are evaluated before they
	// are folded, 0 to 1.
	EvaluateShare float64 `env:"RECFLOW_EVALUATE_SHARE" envDefault:"0.1"`

	// SearchMemory is how many MiB the items of the live version may take in the
	// function's memory to be searched there: about 80 bytes an item and 4 a
	// dimension. A larger catalogue is searched in Postgres, and with 0 every one.
	SearchMemory int64 `env:"RECFLOW_SEARCH_MEMORY" envDefault:"64"`

	// LogLevel is debug, info, warn or error.
	LogLevel slog.Level `env:"RECFLOW_LOG_LEVEL" envDefault:"info"`

	// Function is the name under which metrics are kept. AWS sets it.
	Function string `env:"AWS_LAMBDA_FUNCTION_NAME" envDefault:"recflow-stream"`
}

// ReadLambda reads and validates Lambda.
func ReadLambda() (Lambda, error) {
	c, err := env.ParseAs[Lambda]()
	if err != nil {
		return Lambda{}, err
	}
	return c, c.Validate()
}

// Validate reports every mistake at once and names the variables.
func (c Lambda) Validate() error {
	errs := []error{c.Database.Validate(), c.Storage.validate()}
	for _, d := range []struct{ name, value string }{
		{"RECFLOW_FIREHOSE_RECOMMENDATIONS", c.Delivery.Recommendations},
		{"RECFLOW_FIREHOSE_EVENTS", c.Delivery.Events},
		{"RECFLOW_FIREHOSE_QUARANTINE", c.Delivery.Quarantine},
	} {
		if d.value == "" {
			errs = append(errs, fmt.Errorf("%s is not set; give the name of a delivery stream", d.name))
		}
	}
	if c.ListLength < 1 || c.ListLength > 1000 {
		errs = append(errs, fmt.Errorf("RECFLOW_LIST_LENGTH is %d; use 1 to 1000", c.ListLength))
	}
	if !(c.EvaluateShare >= 0 && c.EvaluateShare <= 1) {
		errs = append(errs, fmt.Errorf("RECFLOW_EVALUATE_SHARE is %v; use 0 to 1", c.EvaluateShare))
	}
	if c.SearchMemory < 0 || c.SearchMemory > maxSearchMemory {
		errs = append(errs, fmt.Errorf("RECFLOW_SEARCH_MEMORY is %d; use 0 to %d MiB", c.SearchMemory, maxSearchMemory))
	}
	return errors.Join(errs...)
}

// maxSearchMemory is a little less than what the largest function has.
const maxSearchMemory = 8192
