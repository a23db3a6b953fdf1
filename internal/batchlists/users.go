package batchlists

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/recflow/recflow/internal/importer/tabular"
	"github.com/recflow/recflow/internal/recsys"
)

// userColumn is the column of the ids in a file with columns.
const userColumn = "user_id"

// EachUser calls each with every id in a file of users: the column user_id of a CSV,
// JSON Lines or Parquet file, or the lines of a text file. Blank lines are ignored,
// and an id may repeat. It returns recsys.ErrDataInvalid, with the position and
// without the text, for the first row that is not a valid id.
func EachUser(ctx context.Context, f *tabular.File, each func(id string) error) error {
	source, format, err := f.Records(tabular.Auto)
	if err != nil {
		return fmt.Errorf("%w: %w", recsys.ErrDataInvalid, err)
	}
	columns := source.Columns()
	at := slices.IndexFunc(columns, func(c string) bool { return strings.EqualFold(c, userColumn) })
	if at < 0 && format == tabular.CSV && len(columns) == 1 {
		source.Close()
		return eachLine(ctx, f, each)
	}
	defer source.Close()
	if at < 0 && format != tabular.JSONL {
		return fmt.Errorf("%w: %s has no column %s; it has %d other columns", recsys.ErrDataInvalid, f.Name(), userColumn, len(columns))
	}
	if err := source.Bind([]tabular.Column{{Index: at, Name: userColumn, SingleLine: true}}); err != nil {
		return fmt.Errorf("%w: %w", recsys.ErrDataInvalid, err)
	}
	r := tabular.Record{Cells: make([]tabular.Cell, 1)}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := source.Next(&r)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil && r.Bad == "" {
			id := r.Cells[0].String()
			r.Bad = badUser(id)
			if r.Bad == "" {
				if err := each(id); err != nil {
					return err
				}
				continue
			}
		}
		if err != nil {
			return fmt.Errorf("%w: %s: %w", recsys.ErrDataInvalid, f.Name(), err)
		}
		return badRow(f, r)
	}
}

// eachLine is EachUser for a text file with an id a line.
func eachLine(ctx context.Context, f *tabular.File, each func(id string) error) error {
	return f.Lines(ctx, func(row, line int64, text []byte) error {
		id := strings.TrimSpace(string(text))
		if why := badUser(id); why != "" {
			return badRow(f, tabular.Record{Row: row, Line: line, Bad: why})
		}
		return each(id)
	}, func(r tabular.Record) error { return badRow(f, r) })
}

func badUser(id string) string {
	if err := recsys.CheckID(userColumn, id); err != nil {
		return err.Error()
	}
	return ""
}

// badRow is the error of a row. It does not contain the row's text.
func badRow(f *tabular.File, r tabular.Record) error {
	at := fmt.Sprintf("line %d", r.Line)
	if r.Line == 0 {
		at = fmt.Sprintf("row %d", r.Row)
	}
	return fmt.Errorf("%w: %s, %s: %s; correct the file and start the backfill again", recsys.ErrDataInvalid, f.Name(), at, r.Bad)
}
