package recsys

import (
	"fmt"
	"maps"
	"time"
)

// InterestSettings is an Interest as people write it, in a request or a file. Absent
// fields have the values of DefaultInterest.
type InterestSettings struct {
	Weights         map[string]float64 `json:"weights,omitempty" maxProperties:"100" doc:"Weight of an event of each type. A type that is absent weighs nothing; a negative weight takes back interest. Names are compared without case, spaces, _ and -." example:"{\"view\":1,\"purchase\":5}"`
	ValueUse        map[string]string  `json:"value_use,omitempty" maxProperties:"100" doc:"Use of the value v of each type: ignore (the default), log (times log2(1 + |v|)) or value (times |v|). A negative value takes back interest under each of them." example:"{\"purchase\":\"value\"}"`
	RatingThreshold *float64           `json:"rating_threshold,omitempty" doc:"Smallest value of a rating that counts. Defaults to 4." example:"4"`
	HalfLife        string             `json:"half_life,omitempty" maxLength:"20" doc:"Age at which the weight of an event is halved: 90d, 36h or never. Defaults to 90d." example:"90d"`
	Floor           *float64           `json:"floor,omitempty" doc:"Smallest weight of an item that counts, after all events are summed. Defaults to 0.01." example:"0.01"`
}

// Interest returns the validated interest. Its error has one mistake in each line.
func (s InterestSettings) Interest() (Interest, error) {
	in := DefaultInterest()
	if s.Weights != nil {
		in.Weights = maps.Clone(s.Weights)
	}
	if len(s.ValueUse) > 0 {
		in.ValueUse = maps.Clone(s.ValueUse)
	}
	if s.RatingThreshold != nil {
		in.RatingThreshold = *s.RatingThreshold
	}
	if s.Floor != nil {
		in.Floor = *s.Floor
	}
	if s.HalfLife != "" {
		half, err := ParseHalfLife(s.HalfLife)
		if err != nil {
			return in, fmt.Errorf("interest: half_life: %w", err)
		}
		in.HalfLifeSeconds = half
	}
	return in, in.Validate()
}

// Settings returns the settings that give the interest. All fields are set.
func (in Interest) Settings() InterestSettings {
	return InterestSettings{
		Weights: maps.Clone(in.Weights), ValueUse: maps.Clone(in.ValueUse),
		RatingThreshold: &in.RatingThreshold, HalfLife: HalfLifeText(in.HalfLifeSeconds), Floor: &in.Floor,
	}
}

// ParseHalfLife parses a half-life such as 90d into seconds. never and 0 are 0.
func ParseHalfLife(text string) (seconds float64, err error) {
	if text == "never" || text == "0" {
		return 0, nil
	}
	d, err := ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%w; use never for none", err)
	}
	return d.Seconds(), nil
}

// HalfLifeText formats a half-life in seconds for ParseHalfLife.
func HalfLifeText(seconds float64) string {
	if seconds == 0 {
		return "never"
	}
	return FormatDuration(time.Duration(seconds * float64(time.Second)))
}
