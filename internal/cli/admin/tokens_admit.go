package admin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/postgres/ledger"
	"github.com/recflow/recflow/internal/recsys"
)

// The first token of a deployment cannot come from the API, which requires one. It
// is created on the user's machine and registered where the database is. Only its
// fingerprint is transmitted, which is safe to appear in a log.

const tokensMintLong = `Create a token without calling the API, write it to FILE, which only you can
read, and print its fingerprint. The token works after someone with access to the
database has registered it with ` + "`recflow tokens admit`" + `. Use it for a deployment's first token;
afterwards use ` + "`recflow tokens create`" + `.`

func newTokensMintCommand(a *app.App) *cobra.Command {
	return &cobra.Command{
		Use:     "mint FILE",
		Short:   "Create a token for a deployment that has none and print its fingerprint",
		Long:    tokensMintLong,
		Example: "  fingerprint=$(recflow tokens mint admin.token)",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			text, key, digest := apiclient.MintToken()
			file, err := os.OpenFile(args[0], os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
			if errors.Is(err, os.ErrExist) {
				return fmt.Errorf("%s exists; a token never overwrites a file: name another file", args[0])
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(file, text)
			if err = errors.Join(err, file.Close()); err != nil {
				return err
			}
			_, err = fmt.Fprintln(a.Out, apiclient.Fingerprint(key, digest))
			return err
		},
	}
}

const tokensAdmitLong = `Register a token that was created with ` + "`recflow tokens mint`" + `. It writes to the
database directly (RECFLOW_DATABASE_URL) and to the audit log. Repeating it
has no effect.`

func newTokensAdmitCommand(a *app.App) *cobra.Command {
	var fingerprint string
	var scopes []string
	cmd := &cobra.Command{
		Use:     "admit NAME --scope SCOPE --fingerprint FINGERPRINT",
		Short:   "Register a token by its fingerprint, directly in the database",
		Long:    tokensAdmitLong,
		Example: `  recflow tokens admit first-admin --scope admin --fingerprint "$fingerprint"`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, s := range scopes {
				if !slices.Contains(apiclient.Scopes(), s) {
					return app.UsageError(fmt.Errorf("%q is not a scope; use one of %v", s, apiclient.Scopes()))
				}
			}
			key, digest, ok := apiclient.SplitFingerprint(fingerprint)
			if !ok {
				return app.UsageError(errors.New("--fingerprint is not the output of `recflow tokens mint`"))
			}
			return admitToken(cmd.Context(), a, ledger.NewToken{
				Token: ledger.Token{Name: args[0], Scopes: scopes, CreatedBy: app.Actor()}, Key: key, Digest: digest,
			})
		},
	}
	cmd.Flags().StringSliceVar(&scopes, "scope", nil, "scope of the token; may be repeated")
	cmd.Flags().StringVar(&fingerprint, "fingerprint", "", "fingerprint of the token")
	_ = cmd.MarkFlagRequired("scope")
	_ = cmd.MarkFlagRequired("fingerprint")
	return cmd
}

func admitToken(ctx context.Context, a *app.App, n ledger.NewToken) error {
	options, err := databaseOptions(ctx, a)
	if err != nil {
		return err
	}
	db, err := openDatabase(ctx, options)
	if err != nil {
		return err
	}
	defer db.Close()
	store := ledger.New(db)
	known, _, err := store.TokenByKey(ctx, n.Key)
	switch {
	case err == nil && known.Name == n.Name && known.Valid(time.Now()):
		_, err = fmt.Fprintf(a.Out, "%s is already registered\n", n.Name)
		return err
	case err == nil:
		return fmt.Errorf("this token is already registered as %s and may be revoked; mint another one", known.Name)
	case !errors.Is(err, recsys.ErrNotFound):
		return err
	}
	slices.Sort(n.Scopes)
	n.Scopes = slices.Compact(n.Scopes)
	entry := ledger.Audit{Actor: n.CreatedBy, Action: "token.admit", Target: n.Name}
	err = store.Audited(ctx, entry, func(tx *postgres.DB) error {
		_, err := ledger.New(tx).CreateToken(ctx, n)
		return err
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.Out, "%s registered: %v\n", n.Name, n.Scopes)
	return err
}
