package trainingrun

import (
	"errors"
	"fmt"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"github.com/recflow/recflow/internal/recsys"
)

// columnSpec is the contract (docs/data.md) of one column. Spark writes every
// column as optional, so whether a null is allowed is checked for each value
// and not in the schema.
type columnSpec struct {
	name     string
	kind     parquet.Kind
	list     bool
	nullable bool
	time     bool // an instant in microseconds
	limit    int  // maximum number of elements in a list
}

var itemsSpec = []columnSpec{
	{name: "item_id", kind: parquet.ByteArray},
	{name: "embedding", kind: parquet.Float, list: true},
	{name: "title", kind: parquet.ByteArray, nullable: true},
	{name: "category", kind: parquet.ByteArray, nullable: true},
	{name: "tags", kind: parquet.ByteArray, list: true, nullable: true, limit: recsys.MaxTags},
	{name: "available", kind: parquet.Boolean},
	{name: "popularity", kind: parquet.Double},
}

var usersSpec = []columnSpec{
	{name: "user_id", kind: parquet.ByteArray},
	{name: "embedding", kind: parquet.Float, list: true, nullable: true},
	{name: "history_items", kind: parquet.ByteArray, list: true, limit: recsys.MaxHistory},
	{name: "history_weights", kind: parquet.Float, list: true, limit: recsys.MaxHistory},
	{name: "reference_time", kind: parquet.Int64, nullable: true, time: true},
	{name: "seen_items", kind: parquet.ByteArray, list: true, limit: recsys.MaxHistory},
}

var holdoutSpec = []columnSpec{
	{name: "user_id", kind: parquet.ByteArray},
	{name: "event_id", kind: parquet.ByteArray},
	{name: "item_id", kind: parquet.ByteArray},
	{name: "event_type", kind: parquet.ByteArray},
	{name: "value", kind: parquet.Double, nullable: true},
	{name: "occurred_at", kind: parquet.Int64, time: true},
	{name: "answer", kind: parquet.Boolean},
}

// bind finds the columns of spec in a file, in the order of spec. Unknown
// columns are ignored and never decoded.
func bind(root *parquet.Column, spec []columnSpec) ([]*column, error) {
	columns := make([]*column, len(spec))
	for i, want := range spec {
		var found *parquet.Column
		for _, c := range root.Columns() {
			if c.Name() != want.name {
				continue
			}
			if found != nil {
				return nil, fmt.Errorf("column %s occurs twice", want.name)
			}
			found = c
		}
		if found == nil {
			return nil, fmt.Errorf("column %s is missing", want.name)
		}
		c, err := bindColumn(found, want)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", want.name, err)
		}
		columns[i] = c
	}
	return columns, nil
}

func bindColumn(found *parquet.Column, want columnSpec) (*column, error) {
	c := &column{columnSpec: want, leaf: found}
	if want.list {
		// A list has three levels with any names: the column, a repeated group,
		// the element.
		if found.Leaf() || found.Repeated() || len(found.Columns()) != 1 {
			return nil, errors.New("it is not a list of three levels")
		}
		group := found.Columns()[0]
		if group.Leaf() || !group.Repeated() || len(group.Columns()) != 1 || !group.Columns()[0].Leaf() || group.Columns()[0].Repeated() {
			return nil, errors.New("it is not a list of three levels")
		}
		c.leaf = group.Columns()[0]
		if found.Optional() {
			c.listDef = 1
		}
	}
	if !c.leaf.Leaf() || c.leaf.Repeated() {
		return nil, errors.New("it is nested or repeated")
	}
	if got := c.leaf.Type().Kind(); got != want.kind {
		if got == parquet.Int96 && want.time {
			return nil, errors.New("it is an INT96; set spark.sql.parquet.outputTimestampType to TIMESTAMP_MICROS")
		}
		return nil, fmt.Errorf("it is a %s and not a %s", got, want.kind)
	}
	c.maxDef = byte(c.leaf.MaxDefinitionLevel())
	return c, checkLogicalType(c.leaf, want)
}

func checkLogicalType(leaf *parquet.Column, want columnSpec) error {
	var logical format.LogicalTypeValue
	if t := leaf.Type().LogicalType(); t != nil {
		logical = t.Value
	}
	if want.kind == parquet.ByteArray {
		if _, ok := logical.(*format.StringType); !ok {
			return errors.New("it is binary and not a string")
		}
	}
	if want.time {
		t, ok := logical.(*format.TimestampType)
		if !ok || !t.IsAdjustedToUTC {
			return errors.New("it is not a timestamp in UTC")
		}
		if _, ok := t.Unit.Value.(*format.MicroSeconds); !ok {
			return errors.New("it is not a timestamp in microseconds")
		}
	}
	return nil
}
