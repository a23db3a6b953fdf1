package apiclient

import (
	"context"
	"net/http"

	"github.com/recflow/recflow/internal/recsys"
)

// CheckInterest asks what an interest would make of the events of a training.
type CheckInterest struct {
	Interest *recsys.InterestSettings `json:"interest,omitempty" doc:"Interest to check. Defaults to that of the version."`
	Version  int64                    `json:"version,omitempty" minimum:"1" doc:"Version whose training counted the events. Defaults to the newest one whose training did." example:"12"`
}

// InterestReport is what an interest makes of the events of a training.
type InterestReport struct {
	Version  int64                `json:"version" doc:"Version whose training counted the events. Later events and imports are not included."`
	Coverage recsys.Coverage      `json:"coverage"`
	Interest recsys.Interest      `json:"interest"`
	Check    recsys.InterestCheck `json:"check"`
	Live     *LiveInterest        `json:"live,omitempty" doc:"What the interest of the live version makes of the same events. Absent if no version is live."`
}

// LiveInterest is what the interest of the live version makes of events.
type LiveInterest struct {
	Version  int64                `json:"version"`
	Interest recsys.Interest      `json:"interest"`
	Check    recsys.InterestCheck `json:"check"`
}

// CheckInterest returns what an interest would make of the events of a training.
func (c *Client) CheckInterest(ctx context.Context, in CheckInterest) (r InterestReport, err error) {
	_, err = c.Do(ctx, http.MethodPost, "/interest/check", nil, nil, in, &r)
	return r, err
}
