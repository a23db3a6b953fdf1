package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
)

// Destinations of metrics.
const (
	MetricsNone = "none"
	MetricsEMF  = "emf" // lines of CloudWatch's embedded metric format on standard output
)

// Signals is the configuration of the worker's notifications and metrics.
type Signals struct {
	// OutcomesTopic is the ARN of the SNS topic to which the outcome of every
	// refresh is published. Empty: none.
	OutcomesTopic string `env:"RECFLOW_OUTCOMES_TOPIC"`

	// Metrics is none or emf.
	Metrics string `env:"RECFLOW_METRICS" envDefault:"none"`

	// Installation is a dimension of all metrics: it separates two installations in
	// one account and region. Empty: no dimension.
	Installation string `env:"RECFLOW_INSTALLATION"`
}

// maxInstallation is the longest name, well below CloudWatch's limit.
const maxInstallation = 255

func (c Signals) validate() error {
	var errs []error
	if c.OutcomesTopic != "" {
		a, err := arn.Parse(c.OutcomesTopic)
		switch {
		case err != nil || a.Service != "sns" || a.Resource == "" || strings.Contains(a.Resource, ":"):
			errs = append(errs, fmt.Errorf("RECFLOW_OUTCOMES_TOPIC is %q; give the ARN of an SNS topic, or nothing", c.OutcomesTopic))
		case strings.HasSuffix(a.Resource, ".fifo"):
			errs = append(errs, fmt.Errorf("RECFLOW_OUTCOMES_TOPIC is %q; give a standard topic: email and chat cannot subscribe to a FIFO topic", c.OutcomesTopic))
		}
	}
	if c.Metrics != MetricsNone && c.Metrics != MetricsEMF {
		errs = append(errs, fmt.Errorf("RECFLOW_METRICS is %q; use %s or %s", c.Metrics, MetricsNone, MetricsEMF))
	}
	if !validInstallation(c.Installation) {
		errs = append(errs, fmt.Errorf("RECFLOW_INSTALLATION is %q; give at most %d printable ASCII characters, not only spaces, or nothing", c.Installation, maxInstallation))
	}
	return errors.Join(errs...)
}

// validInstallation reports whether CloudWatch accepts the name as a dimension
// value. The worker gets no error when CloudWatch rejects its metrics.
func validInstallation(name string) bool {
	if name == "" {
		return true
	}
	unprintable := func(r rune) bool { return r < ' ' || r > '~' }
	return len(name) <= maxInstallation && strings.Trim(name, " ") != "" && !strings.ContainsFunc(name, unprintable)
}
