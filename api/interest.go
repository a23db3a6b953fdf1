package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/recflow/recflow/api/internal/rest"
	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/recsys"
)

// countedVersions is how many of the newest versions are searched for one whose
// training counted its events by type.
const countedVersions = 20

func (s *server) interestRoutes() {
	rest.Register(s.api, huma.Operation{OperationID: "check-interest", Method: http.MethodPost, Path: "/interest/check", Tags: []string{"Versions"},
		Summary: "Check what an interest makes of the data",
		Description: "Returns how many events of each type would add interest, how many users and items would be left without any, and the same for the interest of the " +
			"live version. The numbers come from the counts of the newest training, so nothing is started and nothing is changed; notes says what they do not take into account."},
		rest.Access{Scope: apiclient.ScopeRead}, s.checkInterest)
}

type checkInterestInput struct{ Body apiclient.CheckInterest }
type checkInterestOutput struct{ Body apiclient.InterestReport }

func (s *server) checkInterest(ctx context.Context, in *checkInterestInput) (*checkInterestOutput, error) {
	v, m, err := s.countedVersion(ctx, in.Body.Version)
	if err != nil {
		return nil, err
	}
	given := m.Interest
	if in.Body.Interest != nil {
		if given, err = in.Body.Interest.Interest(); err != nil {
			p := rest.Fail(http.StatusUnprocessableEntity, "invalid_request", "the interest is invalid", "see GET /docs for the parameters of this operation")
			for text := range strings.SplitSeq(err.Error(), "\n") {
				p.Errors = append(p.Errors, apiclient.Mistake{Location: "body.interest", Message: text})
			}
			return nil, p
		}
	}
	out := &checkInterestOutput{apiclient.InterestReport{Version: v.ID, Coverage: v.Coverage, Interest: given, Check: given.Check(m.Input, m.Interest)}}
	live, err := liveOf(ctx, s.versions)
	switch {
	case errors.Is(err, recsys.ErrNoLiveVersion):
		return out, nil
	case err != nil:
		return nil, err
	}
	of, err := s.reader.Manifest(ctx, live.Version)
	if err != nil {
		return nil, err
	}
	out.Body.Live = &apiclient.LiveInterest{Version: live.Version.ID, Interest: of.Interest, Check: of.Interest.Check(m.Input, m.Interest)}
	return out, nil
}

// countedVersion returns a version whose training counted its events by type: the given
// one, or the newest for 0.
func (s *server) countedVersion(ctx context.Context, id int64) (recsys.Version, *recsys.Manifest, error) {
	if id != 0 {
		v, err := s.versions.Version(ctx, id)
		if err != nil {
			return v, nil, err
		}
		m, err := s.reader.Manifest(ctx, v)
		if err == nil && len(m.Input.EventTypes) == 0 {
			return v, nil, fmt.Errorf("the training of version %d did not count its events by type: %w", id, recsys.ErrNotFound)
		}
		return v, m, err
	}
	newest, err := s.versions.VersionsBefore(ctx, 0, countedVersions)
	if err != nil {
		return recsys.Version{}, nil, err
	}
	for _, v := range newest {
		m, err := s.reader.Manifest(ctx, v)
		if err != nil {
			return v, nil, err
		}
		if len(m.Input.EventTypes) > 0 {
			return v, m, nil
		}
	}
	return recsys.Version{}, nil, rest.Fail(http.StatusNotFound, "not_found", "no training has counted its events by type yet", "train once with `recflow refresh`; `recflow import --dry-run` shows what the weights make of a file")
}
