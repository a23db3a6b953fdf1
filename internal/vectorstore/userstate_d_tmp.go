package vectorstore

import (
	"context"
	"slices"

	"github.com/recflow/recflow/internal/recsys"
)

// Stopgap of helper D until helper C's UserStates is here: C deletes this file.

type UserState struct {
	User
	Events []recsys.Event
}

func (s *Store) UserStates(ctx context.Context, v recsys.Version, ids []string) ([]UserState, error) {
	users, err := s.Users(ctx, v, ids)
	if err != nil {
		return nil, err
	}
	events, err := s.LiveEvents(ctx, ids)
	if err != nil {
		return nil, err
	}
	stored := map[string]User{}
	for _, u := range users {
		stored[u.ID] = u
	}
	out := make([]UserState, len(ids))
	for i, id := range ids {
		out[i] = UserState{User: stored[id], Events: slices.DeleteFunc(events[id], v.Coverage.Covers)}
		out[i].ID = id
	}
	return out, nil
}
