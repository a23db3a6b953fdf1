package rawdata

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/recflow/recflow/internal/awsclient"
	"github.com/recflow/recflow/internal/importer/tabular"
	"github.com/recflow/recflow/internal/recsys"
)

// itemsPrefix is the part of raw/ with the catalogs.
const itemsPrefix = "raw/items/"

// The cells of a row of raw/items.
const (
	cellItem = iota
	cellAvailable
	cellImportedAt
	cellReplacesBefore
	itemCells
)

// Catalog yields the rows of the catalogs under raw/items. It downloads one object
// after the other to a temporary file in dir. The last error wraps
// recsys.ErrDataInvalid if an object is not in the format of docs/data.md.
func Catalog(ctx context.Context, s3 *awsclient.S3, dir string) iter.Seq2[recsys.CatalogRow, error] {
	return func(yield func(recsys.CatalogRow, error) bool) {
		for o, err := range s3.List(ctx, itemsPrefix) {
			if err == nil && !strings.HasSuffix(o.Key, ".parquet") {
				continue
			}
			more := true
			if err == nil {
				err = eachItem(ctx, s3, o, dir, func(r recsys.CatalogRow) bool { more = yield(r, nil); return more })
			}
			if err != nil {
				yield(recsys.CatalogRow{}, err)
			}
			if err != nil || !more {
				return
			}
		}
	}
}

// eachItem calls yield for each row of an object until it returns false.
func eachItem(ctx context.Context, s3 *awsclient.S3, o awsclient.Object, dir string, yield func(recsys.CatalogRow) bool) error {
	body, err := s3.Open(ctx, o.Key, 0)
	if err != nil {
		return err
	}
	defer body.Close()
	file, err := tabular.OpenStream(ctx, o.Key, body, dir, func(int64) {})
	if err != nil {
		return err
	}
	defer file.Close()
	source, _, err := file.Records(tabular.Parquet)
	if err != nil {
		return fmt.Errorf("%w: %w", recsys.ErrDataInvalid, err)
	}
	defer source.Close()
	if err := readItems(source, o, yield); err != nil {
		return fmt.Errorf("%w: %s: %w", recsys.ErrDataInvalid, o.Key, err)
	}
	return nil
}

func readItems(source tabular.Source, o awsclient.Object, yield func(recsys.CatalogRow) bool) error {
	if !slices.Contains(source.Columns(), "item_id") {
		return errors.New("it has no column item_id")
	}
	if err := source.Bind(itemColumns(source.Columns())); err != nil {
		return err
	}
	r := tabular.Record{Cells: make([]tabular.Cell, itemCells)}
	for {
		err := source.Next(&r)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		row := recsys.CatalogRow{
			ItemID: r.Cells[cellItem].String(), Available: r.Cells[cellAvailable].Text != "false",
			Source: o.Key, Written: o.Modified,
		}
		if recsys.CheckID("item", row.ItemID) != nil {
			continue // no version has it
		}
		if c := r.Cells[cellImportedAt]; c.Kind == tabular.CellTime {
			row.Written = time.UnixMicro(c.Time)
		}
		if c := r.Cells[cellReplacesBefore]; c.Kind == tabular.CellTime {
			row.ReplacesBefore = time.UnixMicro(c.Time)
		}
		if !yield(row) {
			return nil
		}
	}
}

// itemColumns binds the columns that an object has.
func itemColumns(names []string) (columns []tabular.Column) {
	cells := map[string]int{"item_id": cellItem, "available": cellAvailable, "imported_at": cellImportedAt, "replaces_before": cellReplacesBefore}
	for i, name := range names {
		if cell, ok := cells[name]; ok {
			columns = append(columns, tabular.Column{Cell: cell, Index: i, Name: name, SingleLine: true})
		}
	}
	return columns
}
