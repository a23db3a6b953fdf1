package config

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/caarlos0/env/v11"
)

// Stream is the event stream.
type Stream struct {
	// Name of the Kinesis stream.
	Name string `env:"RECFLOW_STREAM"`

	// Status is the address of the local event source mapping's status. On AWS use
	// CloudWatch.
	Status string `env:"RECFLOW_STREAM_STATUS"`
}

// Delivery names the Firehose streams that results are written to.
type Delivery struct {
	Recommendations string `env:"RECFLOW_FIREHOSE_RECOMMENDATIONS"`
	Events          string `env:"RECFLOW_FIREHOSE_EVENTS"`
	Quarantine      string `env:"RECFLOW_FIREHOSE_QUARANTINE"`
}

// Lambda is the configuration of the stream handler.
type Lambda struct {
	Database Database
	Storage  Storage // for records that are too large for a delivery stream
	Delivery Delivery

	// ListLength is the number of items of a delivered list.
	ListLength int `env:"RECFLOW_LIST_LENGTH" envDefault:"20"`

	// EvaluateShare is the share of the events that are evaluated before they are
	// folded, 0 to 1.
	EvaluateShare float64 `env:"RECFLOW_EVALUATE_SHARE" envDefault:"0.1"`

	Search Search

	// LogLevel is debug, info, warn or error.
	LogLevel slog.Level `env:"RECFLOW_LOG_LEVEL" envDefault:"info"`

	// Function is the function name in metrics. AWS sets it.
	Function string `env:"AWS_LAMBDA_FUNCTION_NAME" envDefault:"recflow-stream"`
}

// ReadLambda reads and validates Lambda.
func ReadLambda() (Lambda, error) {
	c, err := env.ParseAs[Lambda]()
	if err != nil {
		return Lambda{}, err
	}
	c.Search.Memory = searchMemory(c.Search.Memory)
	return c, c.Validate()
}

// Validate reports all mistakes at once and names the variables.
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
	errs = append(errs, c.Search.validate())
	return errors.Join(errs...)
}
