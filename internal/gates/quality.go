package gates

import (
	"context"
	"errors"
	"fmt"

	"github.com/recflow/recflow/internal/recommend"
	"github.com/recflow/recflow/internal/recsys"
)

const (
	qualityDepth    = 100
	qualityUsers    = 200 // with fewer users only a clear difference refuses
	fewestUsers     = 30  // with fewer users a person decides
	bootstrapSeed   = 20260101
	holdoutsScored  = 100 // users per set of round trips
	qualityAdvice   = "check the data and the parameters of the training"
	knnAdvice       = "try a higher rank, more iterations or a longer half-life"
	regressedAdvice = "keep the live version, or accept the gate if the data was changed on purpose"
)

// checkQuality predicts the answers of the version's hold-out users with the
// code and the index that serve requests. It refuses a version that is no
// better than popularity, or clearly worse than the live version. With few users it
// refuses what is clearly worse than popularity, and with very few it leaves the
// promotion to a person, unless no version is live. The live
// version is scored again on the same users: those in the hold-outs of both,
// whom neither training has seen. Numbers from different data are never
// compared.
func checkQuality(ctx context.Context, s *subject) (recsys.GateResult, error) {
	memory, release, err := s.search.Acquire(ctx)
	if err != nil {
		return recsys.GateResult{}, err
	}
	defer func() {
		memory.Release() // no other search needs the new version
		release()
	}()
	q, err := newQuality(ctx, s, memory)
	if err != nil {
		return recsys.GateResult{}, err
	}
	part := make([]heldOut, 0, holdoutsScored)
	err = s.embeddings.HoldoutUsers(ctx, s.version, func(userID string, history, answers []recsys.Event) error {
		if u := newHeldOut(userID, history, answers); len(u.answers) > 0 {
			part = append(part, u)
		}
		if len(part) < holdoutsScored {
			return nil
		}
		s.progress()
		err := q.score(ctx, part)
		part = part[:0]
		return err
	})
	if err == nil && len(part) > 0 {
		err = q.score(ctx, part)
	}
	if errors.Is(err, recommend.ErrNoSolution) {
		return refused(0, 0, "hold-out users cannot be folded in (%v); the gram matrix or regularization differs from the training", err), nil
	}
	if err != nil {
		return recsys.GateResult{}, err
	}
	return q.result(), nil
}

// heldOut is a hold-out user: the history, and the answers to predict.
type heldOut struct {
	id      string
	history []recsys.Event
	answers map[string]bool // item ids, none of which is in the history
}

func newHeldOut(id string, history, answers []recsys.Event) heldOut {
	u := heldOut{id: id, history: history, answers: make(map[string]bool, len(answers))}
	for _, e := range answers {
		u.answers[e.ItemID] = true
	}
	for _, e := range history {
		delete(u.answers, e.ItemID)
	}
	return u
}

// unseen returns the first k items that are not in the history.
func (u heldOut) unseen(items []string, k int) []string {
	met := make(map[string]bool, len(u.history))
	for _, e := range u.history {
		met[e.ItemID] = true
	}
	list := make([]string, 0, k)
	for _, item := range items {
		if len(list) == k {
			break
		}
		if !met[item] {
			list = append(list, item)
		}
	}
	return list
}

// quality is the nDCG@100 per user: of the candidate, of popularity, and, for
// the users in both hold-outs, the difference between the candidate and the
// live version.
type quality struct {
	candidate, live         *recommend.Reader // live is nil without a live version
	popular                 []string          // item ids, by popularity among the trained users
	interest, liveInterest  recsys.Interest
	liveBound               recsys.HoldoutBound
	liveVersion             int64
	trained                 recsys.Metrics // measured by the training, on the same hold-out
	ndcg, popularity, delta []float64
}

func newQuality(ctx context.Context, s *subject, memory *recommend.Memory) (*quality, error) {
	popular, err := s.embeddings.PopularBaseline(ctx, s.version, s.manifest.HoldoutBound, qualityDepth)
	if err != nil {
		return nil, err
	}
	reader := func(v recsys.Version, m *recsys.Manifest) (*recommend.Reader, error) {
		r := recommend.NewReader(s.embeddings, v, m)
		r.Memory = memory
		return r, memory.Load(ctx, v)
	}
	q := &quality{popular: popular, interest: s.manifest.Interest, trained: s.manifest.Metrics}
	if q.candidate, err = reader(s.version, s.manifest); err != nil {
		return nil, err
	}
	if s.live != nil {
		if q.live, err = reader(s.live.Version, s.live.Manifest); err != nil {
			return nil, err
		}
		q.liveInterest = s.live.Manifest.Interest
		q.liveBound = s.live.Manifest.HoldoutBound
		q.liveVersion = s.live.Version.ID
	}
	return q, nil
}

// score adds the scores of some users.
func (q *quality) score(ctx context.Context, users []heldOut) error {
	ndcg, err := ndcgOf(ctx, q.candidate, q.interest, users)
	if err != nil {
		return fmt.Errorf("score the candidate: %w", err)
	}
	q.ndcg = append(q.ndcg, ndcg...)
	for _, u := range users {
		q.popularity = append(q.popularity, recsys.NDCGAt(qualityDepth, u.unseen(q.popular, qualityDepth), u.answers))
	}
	if q.live == nil {
		return nil
	}
	var both []heldOut
	var of []float64
	for i, u := range users {
		if q.liveBound.Contains(u.id) {
			both, of = append(both, u), append(of, ndcg[i])
		}
	}
	live, err := ndcgOf(ctx, q.live, q.liveInterest, both)
	if err != nil {
		return fmt.Errorf("score live version %d: %w", q.liveVersion, err)
	}
	for i := range live {
		q.delta = append(q.delta, of[i]-live[i])
	}
	return nil
}

// ndcgOf scores the lists that a version makes for users, each with its history
// folded in by the version's own interest weights.
func ndcgOf(ctx context.Context, r *recommend.Reader, in recsys.Interest, users []heldOut) ([]float64, error) {
	if len(users) == 0 {
		return nil, nil
	}
	histories := make([]recsys.History, len(users))
	for i, u := range users {
		histories[i] = in.Extend(recsys.History{}, u.history)
	}
	lists, err := r.FromHistories(ctx, recommend.Request{K: qualityDepth}, histories)
	if err != nil {
		return nil, err
	}
	out := make([]float64, len(users))
	for i, l := range lists {
		out[i] = recsys.NDCGAt(qualityDepth, ids(l.Items), users[i].answers)
	}
	return out, nil
}

func ids(items []recommend.Ranked) []string {
	out := make([]string, len(items))
	for i, it := range items {
		out[i] = it.ItemID
	}
	return out
}

// result derives the gate result from the scores.
func (q *quality) result() recsys.GateResult {
	n := len(q.ndcg)
	if n == 0 {
		return q.tooFew(0, 0, "the hold-out has no user with an answer, so nothing was predicted")
	}
	value, popular := recsys.Mean(q.ndcg), recsys.Mean(q.popularity)
	first := fmt.Sprintf("nDCG@100 is %.4f over %d hold-out users, popularity %.4f%s", value, n, popular, againstKNN(q.trained))
	if n < fewestUsers {
		return q.tooFew(value, popular, fmt.Sprintf("%s; %d users are under %d", first, n, fewestUsers))
	}
	r := markWeak(n, passed(value, popular, "%s", first))
	if value <= popular {
		r = q.notBetter(value, popular)
	}
	if !r.Passed {
		return r
	}
	if q.live == nil {
		r.Reason += "; no live version to compare with"
		return r
	}
	shared := len(q.delta)
	if shared == 0 {
		return q.tooFew(value, popular, fmt.Sprintf("%s; no user is also in the hold-out of live version %d, so the two were not compared", r.Reason, q.liveVersion))
	}
	d := recsys.Bootstrap(q.delta, bootstrapSeed)
	against := fmt.Sprintf("%+.4f (95 %% interval %+.4f to %+.4f) against live version %d on %d users of both hold-outs", d.Value, d.Low, d.High, q.liveVersion, shared)
	switch {
	case shared < fewestUsers:
		return q.tooFew(value, popular, fmt.Sprintf("%s; %s, under %d", r.Reason, against, fewestUsers))
	case d.High < 0:
		return refused(d.High, 0, "%s; %s: clearly worse; %s", first, against, regressedAdvice)
	}
	r.Reason += "; " + against
	return markWeak(shared, r)
}

// tooFew leaves the promotion to a person. The first version can only be better than
// none.
func (q *quality) tooFew(value, threshold float64, reason string) recsys.GateResult {
	if q.live == nil {
		return warned(value, threshold, "%s", reason)
	}
	return undecided(value, threshold, "%s; compare its lists, and promote it or train with --accept-gate quality", reason)
}

// notBetter refuses a version that popularity equals. With few users it only warns,
// unless popularity is clearly better.
func (q *quality) notBetter(value, popular float64) recsys.GateResult {
	n := len(q.ndcg)
	reason := fmt.Sprintf("nDCG@100 is %.4f over %d hold-out users and popularity alone reaches %.4f", value, n, popular)
	differences := make([]float64, n)
	for i := range differences {
		differences[i] = q.ndcg[i] - q.popularity[i]
	}
	if n >= qualityUsers || recsys.Bootstrap(differences, bootstrapSeed).High < 0 {
		return refused(value, popular, "%s; %s", reason, qualityAdvice)
	}
	return warned(value, popular, "%s; only a warning, because %d users are under %d and the difference is not clear; %s", reason, n, qualityUsers, qualityAdvice)
}

// againstKNN compares the version with item-kNN, as measured by the training, or
// returns an empty text.
func againstKNN(m recsys.Metrics) string {
	d := m.ItemKNNDifference
	if d == nil {
		return ""
	}
	text := fmt.Sprintf(", item-kNN %.4f", m.ItemKNN["ndcg@100"].Value)
	if d.High < 0 {
		text += fmt.Sprintf(", which is better by %.4f (95 %% interval %.4f to %.4f): %s", -d.Value, -d.High, -d.Low, knnAdvice)
	}
	return text
}

// markWeak notes in a result that it is based on few users.
func markWeak(users int, r recsys.GateResult) recsys.GateResult {
	if users < qualityUsers && !r.Warning {
		r.Warning = true
		r.Reason += fmt.Sprintf("; %d users are under %d, so this is weak evidence", users, qualityUsers)
	}
	return r
}
