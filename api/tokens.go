package main

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/recflow/recflow/api/internal/rest"
	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/postgres/ledger"
	"github.com/recflow/recflow/internal/recsys"
)

func (s *server) tokenRoutes() {
	tags := []string{"Tokens"}
	rest.Register(s.api, huma.Operation{OperationID: "create-token", Method: http.MethodPost, Path: "/tokens", Tags: tags, DefaultStatus: http.StatusCreated,
		Summary:     "Create a token",
		Description: "Only this response contains the token. A token cannot grant a scope that it does not have."},
		rest.Access{Scope: apiclient.ScopeAdmin, Action: "token.create"}, s.createToken)
	rest.Register(s.api, huma.Operation{OperationID: "list-tokens", Method: http.MethodGet, Path: "/tokens", Tags: tags,
		Summary: "List tokens, newest first"}, rest.Access{Scope: apiclient.ScopeAdmin}, s.listTokens)
	rest.Register(s.api, huma.Operation{OperationID: "revoke-token", Method: http.MethodDelete, Path: "/tokens/{id}", Tags: tags,
		Summary:     "Revoke a token",
		Description: "Revocation is permanent and takes effect everywhere within five seconds. Repeating the request has no effect."},
		rest.Access{Scope: apiclient.ScopeAdmin, Action: "token.revoke"}, s.revokeToken)
}

type createTokenInput struct{ Body apiclient.NewToken }
type createTokenOutput struct{ Body apiclient.CreatedToken }

func (s *server) createToken(ctx context.Context, in *createTokenInput) (*createTokenOutput, error) {
	n := in.Body
	p := rest.PrincipalOf(ctx)
	for _, wanted := range n.Scopes {
		if !p.May(wanted) {
			return nil, rest.Fail(http.StatusForbidden, "missing_scope", "your token does not have the scope "+wanted, "use a token with this scope")
		}
	}
	if !n.ExpiresAt.IsZero() && !n.ExpiresAt.After(time.Now()) {
		return nil, rest.Fail(http.StatusUnprocessableEntity, "expired", "expires_at is in the past", "use a later time, or omit it")
	}
	slices.Sort(n.Scopes)
	n.Scopes = slices.Compact(n.Scopes)
	text, key, digest := apiclient.MintToken()
	out := &createTokenOutput{}
	err := s.api.Change(ctx, n.Name, func(tx *postgres.DB) error {
		created, err := ledger.New(tx).CreateToken(ctx, ledger.NewToken{
			Token: ledger.Token{Name: n.Name, Scopes: n.Scopes, CreatedBy: p.Actor(), ExpiresAt: n.ExpiresAt},
			Key:   key, Digest: digest,
		})
		out.Body.Token = tokenOf(created)
		return err
	})
	if errors.Is(err, recsys.ErrConflict) {
		return nil, rest.Fail(http.StatusConflict, "name_taken", "an active token has this name", "revoke it first, or use another name")
	}
	out.Body.Secret = text
	return out, err
}

type listTokensOutput struct{ Body apiclient.Tokens }

func (s *server) listTokens(ctx context.Context, in *struct{ rest.Page }) (*listTokensOutput, error) {
	before, err := in.Before()
	if err != nil {
		return nil, err
	}
	tokens, err := s.ledger.Tokens(ctx, before, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := &listTokensOutput{}
	page, next := rest.PageOf(tokens, in.Limit, func(t ledger.Token) int64 { return t.ID })
	out.Body.Items, out.Body.Next = rest.MapEach(page, tokenOf), next
	return out, nil
}

// tokenOf maps a token to its public form, without its key and its digest.
func tokenOf(t ledger.Token) apiclient.Token {
	return apiclient.Token{ID: t.ID, Name: t.Name, Scopes: t.Scopes, CreatedBy: t.CreatedBy, CreatedAt: t.CreatedAt,
		ExpiresAt: t.ExpiresAt, UsedAt: t.UsedAt, RevokedAt: t.RevokedAt}
}

type revokeTokenInput struct {
	ID int64 `path:"id" minimum:"1"`
}
type revokeTokenOutput struct{ Body apiclient.Token }

func (s *server) revokeToken(ctx context.Context, in *revokeTokenInput) (*revokeTokenOutput, error) {
	out := &revokeTokenOutput{}
	err := s.api.Change(ctx, idText(in.ID), func(tx *postgres.DB) error {
		revoked, err := ledger.New(tx).RevokeToken(ctx, in.ID)
		out.Body = tokenOf(revoked)
		return err
	})
	return out, err
}
