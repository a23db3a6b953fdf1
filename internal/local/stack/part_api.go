package stack

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/local/process"
	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/postgres/ledger"
	"github.com/recflow/recflow/internal/recsys"
)

// apiPart serves the API. It accepts one token from the start, which the stack's
// variables contain.
type apiPart struct {
	program
	token, database string
}

// ownToken is the name of the stack's token. It has all scopes.
const ownToken = "local-stack"

func newAPI(o Options) Part {
	port, metrics := o.Settings.Ports.API, o.Settings.Ports.APIMetrics
	p := &apiPart{program{
		Process: process.Process{
			Name: "api", Home: o.Home, Vars: o.Settings.PartEnv(o.Home, "api"),
			Args:  []string{o.Programs.API},
			Grace: 45 * time.Second, // longer than its own drain timeout
		},
		ports:   []int{port, metrics},
		address: "http://" + loopback(port),
	}, o.Settings.APIToken, postgresServer(o).URL(databaseName)}
	p.ready = func(ctx context.Context) error { return answers(ctx, "http://"+loopback(port)+"/readyz") }
	p.prepare = p.admitOwner
	return p
}

// answers checks that an address responds with status 200.
func answers(ctx context.Context, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return notReady("%s answers %s", address, resp.Status)
	}
	return nil
}

// admitOwner registers the token from the stack's settings.
func (p *apiPart) admitOwner(ctx context.Context) error {
	db, err := postgres.Open(ctx, postgres.Options{URL: p.database, MaxConns: 2, Name: "recflow up"})
	if err != nil {
		return err
	}
	defer db.Close()
	tokens := ledger.New(db)
	key, digest, ok := apiclient.SplitToken(p.token)
	if !ok {
		return errors.New("the stack's settings have no token; remove api_token from stack.json")
	}
	t, _, err := tokens.TokenByKey(ctx, key)
	if !errors.Is(err, recsys.ErrNotFound) {
		if err == nil && !t.RevokedAt.IsZero() {
			err = errors.New("the stack's own token was revoked; remove api_token from stack.json to get another one")
		}
		return err
	}
	_, err = tokens.CreateToken(ctx, ledger.NewToken{
		Token: ledger.Token{Name: ownToken + "-" + key[:4], Scopes: slices.Sorted(slices.Values(apiclient.Scopes())), CreatedBy: "recflow up"},
		Key:   key, Digest: digest,
	})
	return err
}
