package backfills

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/recflow/recflow/internal/backfill"
	"github.com/recflow/recflow/internal/cli/app"
)

// listFlags adds the flags of lists.
func (f *backfillFlags) listFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.Int64Var(&f.lists.Version, "version", 0, "lists only: make them from this version (default: the live one)")
	flags.IntVar(&f.lists.K, "k", 0, "lists only: length of each list, 1 to 1000 (default: 100)")
	flags.StringVar(&f.lists.Category, "category", "", "lists only: only items of this category")
	flags.StringArrayVar(&f.lists.Tags, "tag", nil, "lists only: only items with this tag; may be repeated")
	flags.StringVar(&f.lists.ExcludeSeen, "exclude-seen", "", "lists only: which of a user's seen items to exclude, all or none (default: all)")
	flags.StringVar(&f.lists.Users, "users", "",
		"lists only: file of user ids, which is uploaded, or s3://BUCKET/list-users/KEY; one id a line, or the column user_id of CSV, JSON Lines or Parquet (default: all users)")
	flags.IntVar(&f.lists.Windows, "windows", 0, "lists only: number of windows that the users are divided into (default: one for each 20,000 users, at most 32)")
	_ = cmd.RegisterFlagCompletionFunc("exclude-seen", cobra.FixedCompletions([]string{"all", "none"}, cobra.ShellCompDirectiveNoFileComp))
}

// Flags that apply to one sort of backfill only.
var (
	listOnly     = []string{"version", "k", "category", "tag", "exclude-seen", "users", "windows"}
	trainingOnly = []string{"from", "to", "step", "promote", "rerun", "rank", "iterations", "alpha", "reg", "seed", "half-life", "interest", "index", "accept-gate", "reason"}
)

// checkKind returns an error if a flag does not apply to the kind.
func (f *backfillFlags) checkKind(cmd *cobra.Command) error {
	others := listOnly
	if f.request.Kind == backfill.Lists {
		others = trainingOnly
	}
	given := slices.IndexFunc(others, func(name string) bool { return cmd.Flags().Changed(name) })
	if given >= 0 {
		return fmt.Errorf("--%s is not valid for %s", others[given], f.request.Kind)
	}
	return nil
}

// uploadUsers replaces the file of users by its key in the bucket. It uploads a local
// file under a name that depends on its content, so that repeating it has no effect.
func (f *backfillFlags) uploadUsers(ctx context.Context, a *app.App) error {
	if f.lists.Users == "" {
		return nil
	}
	if address, err := url.Parse(f.lists.Users); err == nil && address.Scheme == "s3" {
		f.lists.Users = strings.TrimPrefix(address.Path, "/")
		return nil
	}
	file, err := os.Open(f.lists.Users)
	if err != nil {
		return err
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return fmt.Errorf("read %s: %w", f.lists.Users, err)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	bucket, err := a.OpenBucket(ctx)
	if err != nil {
		return err
	}
	key := backfill.ListUsersPrefix + hex.EncodeToString(hash.Sum(nil)[:8]) + "-" + filepath.Base(f.lists.Users)
	if err := bucket.Put(ctx, key, file); err != nil {
		return err
	}
	if !a.Quiet {
		fmt.Fprintf(a.Err, "uploaded %s to s3://%s/%s\n", f.lists.Users, bucket.Bucket(), key)
	}
	f.lists.Users = key
	return nil
}
