package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
)

// Where metrics go.
const (
	MetricsNone = "none"
	MetricsEMF  = "emf" // lines of CloudWatch's embedded metric format on standard output
)

// Signals is what the worker tells those who watch it.
type Signals struct {
	// OutcomesTopic is the ARN of the SNS topic on which the outcome of every
	// refresh is published. Empty: none is.
	OutcomesTopic string `env:"RECFLOW_OUTCOMES_TOPIC"`

	// Metrics is none or emf.
	Metrics string `env:"RECFLOW_METRICS" envDefault:"none"`

	// Installation is the dimension of all metrics: it keeps those of two
	// installations in one account and region apart. Empty: no dimension.
	Installation string `env:"RECFLOW_INSTALLATION"`
}

// maxInstallation is the longest name, well below what CloudWatch takes.
const maxInstallation = 255

func (c Signals) validate() error {
	var errs []error
	if c.OutcomesTopic != "" {
		a, err := arn.Parse(c.OutcomesTopic)
		switch {
		case err != nil || a.Service != "sns" || a.Resource == "" || strings.Contains(a.Resource, ":"):
			errs = append(errs, fmt.Errorf("RECFLOW_OUTCOMES_TOPIC is %q; give the ARN of an SNS topic, or nothing", c.OutcomesTopic))
		case strings.HasSuffix(a.Resource, ".fifo"):
			errs = append(errs, fmt.Errorf("RECFLOW_OUTCOMES_TOPIC is %q; give a standard topic: mails and chats cannot subscribe to a FIFO one", c.OutcomesTopic))
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

// validInstallation reports whether CloudWatch takes the name as the value of a
// dimension: the worker would not hear that its metrics are refused.
func validInstallation(name string) bool {
	if name == "" {
		return true
	}
	unprintable := func(r rune) bool { return r < ' ' || r > '~' }
	return len(name) <= maxInstallation && strings.Trim(name, " ") != "" && !strings.ContainsFunc(name, unprintable)
}
