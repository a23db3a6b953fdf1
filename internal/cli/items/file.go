package items

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/output"
	"github.com/recflow/recflow/internal/cli/sources"
)

// checkTarget returns an error unless exactly one of an item and a file is named.
func checkTarget(cmd *cobra.Command, args []string, file string) error {
	if (file != "") == (len(args) == 1) {
		return app.UsageError(errors.New("name an item, or a file with --file"))
	}
	var err error
	cmd.Flags().Visit(func(f *pflag.Flag) {
		switch f.Name {
		case "available", "title", "category", "tag", "reset":
			if file != "" {
				err = app.UsageError(fmt.Errorf("--%s cannot be used with --file: its lines say what to change", f.Name))
			}
		}
	})
	return err
}

// maxLine is the longest line of a file, in bytes.
const maxLine = 1 << 20

// summary counts the results of a file.
type summary struct {
	Changed int                    `json:"changed"`
	Unknown int                    `json:"unknown"` // changed, but the live version does not have them
	Refused []apiclient.ItemResult `json:"refused"`
}

// setFromFile changes the items of a file, in batches.
func setFromFile(ctx context.Context, a *app.App, path string) error {
	in, err := sources.OpenInput(a, path)
	if err != nil {
		return err
	}
	defer in.Close()
	api, err := a.OpenAPI()
	if err != nil {
		return err
	}
	total := summary{Refused: []apiclient.ItemResult{}}
	var batch []apiclient.NamedItemChange
	send := func() error {
		if len(batch) == 0 {
			return nil
		}
		r, err := app.Unthrottled(ctx, func() (apiclient.ItemResults, error) { return api.SetItems(ctx, batch) })
		if err != nil {
			return fmt.Errorf("after %d changes: %w", total.Changed, app.ExplainAPI(err))
		}
		batch = batch[:0]
		for _, x := range r.Items {
			switch {
			case !x.Changed:
				total.Refused = append(total.Refused, x)
			default:
				total.Changed++
				if !x.Known {
					total.Unknown++
				}
			}
		}
		return nil
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	for n := 1; lines.Scan(); n++ {
		text := bytes.TrimSpace(lines.Bytes())
		if len(text) == 0 {
			continue
		}
		var c apiclient.NamedItemChange
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		if err := d.Decode(&c); err != nil {
			return fmt.Errorf("%s:%d: %w; each line is an object such as {\"item_id\": \"1\", \"available\": false}", in.Name, n, err)
		}
		if batch = append(batch, c); len(batch) == apiclient.MaxItemChanges {
			if err := send(); err != nil {
				return err
			}
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read %s: %w", in.Name, err)
	}
	if err := send(); err != nil {
		return err
	}
	return report(a, total)
}

func report(a *app.App, s summary) error {
	for i, x := range s.Refused {
		if i == 10 {
			fmt.Fprintf(a.Err, "and %d more\n", len(s.Refused)-i)
			break
		}
		fmt.Fprintf(a.Err, "%s: %s\n", output.Escape(x.ItemID), x.Detail)
	}
	if s.Unknown > 0 {
		fmt.Fprintf(a.Err, "warning: the live version does not have %d of the items; their overrides apply once a version has them\n", s.Unknown)
	}
	err := a.Print(output.Listing{
		Columns: []string{"changed", "unknown", "refused"},
		Rows:    [][]string{{output.Count(int64(s.Changed)), output.Count(int64(s.Unknown)), output.Count(int64(len(s.Refused)))}},
		JSON:    s,
	})
	if err == nil && len(s.Refused) > 0 {
		err = fmt.Errorf("%d changes were refused", len(s.Refused))
	}
	return err
}
