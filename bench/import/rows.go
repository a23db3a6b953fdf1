package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"time"

	"github.com/parquet-go/parquet-go"
)

// row is an event as a shop exports it.
type row struct {
	UserID     string    `json:"user_id" parquet:"user_id"`
	ItemID     string    `json:"item_id" parquet:"item_id,dict"`
	EventType  string    `json:"event_type" parquet:"event_type,dict"`
	Value      *float64  `json:"value,omitempty" parquet:"value,optional"`
	OccurredAt time.Time `json:"occurred_at" parquet:"occurred_at,timestamp(microsecond)"`
	Page       string    `json:"page" parquet:"page,dict"` // not imported
}

// generate writes a file of rows in a format, the same ones each time.
func generate(path, format string, rows int) (err error) {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	buffered := bufio.NewWriterSize(file, 1<<20)
	defer func() { err = errors.Join(err, buffered.Flush()) }()
	write, finish, err := writerOf(buffered, format)
	if err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same rows each time
	types := []string{"view", "view", "view", "view", "click", "click", "add_to_cart", "purchase"}
	begin := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range rows {
		r := row{
			UserID: fmt.Sprintf("u%07d", random.IntN(max(1, rows/20))), ItemID: fmt.Sprintf("sku-%06d", random.IntN(100_000)),
			EventType: types[random.IntN(len(types))], Page: "/catalog/shoes",
			OccurredAt: begin.Add(time.Duration(float64(i) / float64(rows) * float64(60*24*time.Hour))).Truncate(time.Millisecond),
		}
		if r.EventType == "purchase" {
			quantity := float64(1 + random.IntN(3))
			r.Value = &quantity
		}
		if err := write(&r); err != nil {
			return err
		}
	}
	return finish()
}

func writerOf(w io.Writer, format string) (write func(*row) error, finish func() error, err error) {
	switch format {
	case "csv":
		_, err := io.WriteString(w, "user_id,item_id,event_type,value,occurred_at,page\n")
		return func(r *row) error {
			value := ""
			if r.Value != nil {
				value = fmt.Sprint(*r.Value)
			}
			_, err := fmt.Fprintf(w, "%s,%s,%s,%s,%s,%s\n", r.UserID, r.ItemID, r.EventType, value, r.OccurredAt.Format(time.RFC3339Nano), r.Page)
			return err
		}, func() error { return nil }, err
	case "jsonl":
		encoder := json.NewEncoder(w)
		return func(r *row) error { return encoder.Encode(r) }, func() error { return nil }, nil
	case "parquet":
		rows := parquet.NewGenericWriter[row](w, parquet.Compression(&parquet.Snappy), parquet.MaxRowsPerRowGroup(1_000_000))
		one := make([]row, 1)
		return func(r *row) error {
			one[0] = *r
			_, err := rows.Write(one)
			return err
		}, rows.Close, nil
	}
	return nil, nil, fmt.Errorf("-formats has %q; use csv, jsonl and parquet", format)
}
