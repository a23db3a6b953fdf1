package admin

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/output"
)

// NewTokensCommand returns the command tokens.
func NewTokensCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tokens",
		Short: "Create, list and revoke the API's access tokens",
	}
	cmd.AddCommand(newTokensCreateCommand(a), newTokensListCommand(a), newTokensRevokeCommand(a), newTokensMintCommand(a), newTokensAdmitCommand(a))
	return cmd
}

func newTokensCreateCommand(a *app.App) *cobra.Command {
	var n apiclient.NewToken
	var expires string
	cmd := &cobra.Command{
		Use:   "create NAME --scope SCOPE",
		Short: "Create a token and print it once",
		Long: "Create a token and print it. Only its hash is stored, so it cannot be shown again.\n\n" +
			"Scopes: recommend (read recommendations), events (send events), items (change items),\n" +
			"read (versions, backfills, schedule), operate (backfill, promote, schedule), admin (tokens, audit).",
		Example: "  recflow tokens create shop --scope recommend --scope events --expires 90d",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			n.Name = args[0]
			if expires != "" {
				age, err := app.ParseAge(expires)
				if err != nil || age == 0 {
					return app.UsageError(fmt.Errorf("--expires %q is not a duration; use 90d or 36h", expires))
				}
				n.ExpiresAt = time.Now().Add(age).UTC().Truncate(time.Second)
			}
			api, err := a.OpenAPI()
			if err != nil {
				return err
			}
			t, err := api.CreateToken(cmd.Context(), n)
			if err != nil {
				return app.ExplainAPI(err)
			}
			if !a.Quiet {
				fmt.Fprintln(a.Err, "store it now: it is not shown again")
			}
			if a.Output == "table" { // alone on stdout, for scripts
				fmt.Fprintln(a.Out, t.Secret)
				return nil
			}
			return a.Print(output.Listing{Columns: []string{"token"}, Rows: [][]string{{t.Secret}}, JSON: t})
		},
	}
	cmd.Flags().StringSliceVar(&n.Scopes, "scope", nil, "scope of the token; may be repeated")
	cmd.Flags().StringVar(&expires, "expires", "", "expire after this duration, such as 90d (default: never)")
	_ = cmd.MarkFlagRequired("scope")
	_ = cmd.RegisterFlagCompletionFunc("scope", cobra.FixedCompletions(apiclient.Scopes(), cobra.ShellCompDirectiveNoFileComp))
	a.AddOutputFlag(cmd)
	return cmd
}

func newTokensListCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List tokens, newest first",
		Example: "  recflow tokens list",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := a.OpenAPI()
			if err != nil {
				return err
			}
			tokens := []apiclient.Token{}
			for cursor := ""; ; {
				page, err := api.Tokens(cmd.Context(), cursor, 200)
				if err != nil {
					return app.ExplainAPI(err)
				}
				tokens = append(tokens, page.Items...)
				if cursor = page.Next; cursor == "" {
					return a.Print(tokenListing(tokens))
				}
			}
		},
	}
	a.AddOutputFlag(cmd)
	return cmd
}

func tokenListing(tokens []apiclient.Token) output.Listing {
	l := output.Listing{Columns: []string{"id", "name", "state", "scopes", "created_at", "created_by", "expires_at", "used_at"}, JSON: tokens}
	for _, t := range tokens {
		state := "works"
		switch {
		case !t.RevokedAt.IsZero():
			state = "revoked"
		case !t.Valid(time.Now()):
			state = "expired"
		}
		l.Rows = append(l.Rows, []string{strconv.FormatInt(t.ID, 10), t.Name, state, strings.Join(t.Scopes, " "),
			output.Timestamp(t.CreatedAt), t.CreatedBy, output.Timestamp(t.ExpiresAt), output.Timestamp(t.UsedAt)})
	}
	return l
}

func newTokensRevokeCommand(a *app.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "revoke ID",
		Short:   "Revoke a token permanently",
		Long:    "Revoke a token permanently. It stops working everywhere within five seconds.",
		Example: "  recflow tokens revoke 3",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil || id < 1 {
				return app.UsageError(fmt.Errorf("%q is not a token ID; see `recflow tokens list`", args[0]))
			}
			api, err := a.OpenAPI()
			if err != nil {
				return err
			}
			t, err := api.RevokeToken(cmd.Context(), id)
			if err != nil {
				return app.ExplainAPI(err)
			}
			return a.Print(tokenListing([]apiclient.Token{t}))
		},
	}
	a.AddOutputFlag(cmd)
	return cmd
}
