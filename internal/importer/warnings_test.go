package importer

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func csvOf(header string, n int, row func(i int) string) string {
	var b strings.Builder
	b.WriteString(header + "\n")
	for i := range n {
		b.WriteString(row(i) + "\n")
	}
	return b.String()
}

// What a training would not use as one may expect is a warning that says what to do.
func TestImport_warns(t *testing.T) {
	t.Parallel()
	const at = "2026-01-01T00:00:00Z"
	rating := func(scale func(i int) int) string {
		return csvOf("userId,movieId,rating,timestamp", 100, func(i int) string {
			return fmt.Sprintf("%d,%d,%d,%d", i%10, i, scale(i), 1767225600+i)
		})
	}
	for name, c := range map[string]struct {
		in      string
		earlier string
		want    []string // code: a part of the message
	}{
		"nothing": {in: orders(10)},
		"types of another shop": {
			in:   "timestamp,visitorid,event,itemid\n1767225600123,1,view,5\n1767225600124,1,addtocartx,5\n1767225600125,1,transaction,5\n1767225600126,1,transaction,6\n",
			want: []string{`unweighted_types: events of type "transaction", "addtocartx" weigh nothing by default, 75 % of all`}},
		"no type with a weight": {
			in:   "user_id,item_id,event_type,ts\nu,i,transaction," + at + "\n",
			want: []string{"nothing_counts: no event counts", "unweighted_types: "}},
		"types in capitals": {in: "user_id,item_id,event_type,ts\nu,i,Purchase," + at + "\nu,j,CLICK," + at + "\nu,k,Add-To-Cart," + at + "\n"},
		"ratings to 10":     {in: rating(func(i int) int { return 1 + i%10 }), want: []string{"rating_scale: ratings go from 1 to 10"}},
		"percents":          {in: rating(func(i int) int { return i }), want: []string{"rating_scale: ratings go from 0 to 99"}},
		"thumbs":            {in: rating(func(i int) int { return i % 2 }), want: []string{"nothing_counts: ", "rating_scale: ratings go from 0 to 1, so none reaches the default threshold of 4"}},
		"not rated":         {in: rating(func(i int) int { return i%6 - i%6%2*2 }), want: []string{"rating_scale: ratings go down to -1"}},
		"no times":          {in: "user,item\nu,i\n", want: []string{"no_times: 100 % of the events have no time"}},
		"some times":        {in: "user,item,ts\nu,i,\nu,j," + at + "\n", want: []string{"no_times: 50 % of the events have no time"}},
		"one user for all": {
			in:   csvOf("user,item,ts", 2000, func(i int) string { return fmt.Sprintf("%d,%d,%d", i*(i%2), i, 1767225600+i) }),
			want: []string{"busy_user: one user has 50 % of the events"}},
		"play counts": {
			in:   csvOf("user_id,item_id,event_type,quantity,ts", 10, func(i int) string { return fmt.Sprintf("u,%d,click,%d,%s", i, 1+50*i, at) }),
			want: []string{`unused_values: values of type "click" go from 1 to 451 and make no difference by default`}},
		"returns": {
			in:   "user_id,item_id,event_type,quantity,ts\nu,i,purchase,2," + at + "\nu,i,purchase,-1," + at + "\n",
			want: []string{`negative_values: 50 % of the events of type "purchase" have a negative value (down to -1)`}},
		"copies": {
			in:   csvOf("user_id,item_id,ts", 100, func(i int) string { return fmt.Sprintf("u%d,%d,%s", i%5, i/5%10, at) }),
			want: []string{"repeated_events: 50 % of the rows repeat another one"}},
		"one defective id in a thousand": {
			in:   csvOf("event_id,user_id,item_id,ts", 2000, func(i int) string { return fmt.Sprintf("%d,u%d,i%d,%d", max(1, i), i%50, i%70, 1767225600+i) }),
			want: []string{"conflicting_ids: 1 rows have the event id of another row"}},
		"ids with and without zeros": {
			in:   "user_id,item_id,ts\n007,i," + at + "\n7,i," + at + "\n7,j,2026-01-02\n",
			want: []string{"padded_ids: 1 users and 0 items are written with and without leading zeros"}},
		"ids that lost their zeros": {
			earlier: csvOf("item_id,title", 50, func(i int) string { return fmt.Sprintf("%05d,t", i) }),
			in:      csvOf("user_id,item_id,ts", 50, func(i int) string { return fmt.Sprintf("u%d,%d,%s", i, i, at) }),
			want:    []string{"padded_ids: 0 % of the users and 100 % of the items are known", "unmatched_items: earlier imports know 0 % of the items"}},
		"items of another shop": {
			earlier: csvOf("item_id,title", 50, func(i int) string { return fmt.Sprintf("sku-%d,t", i) }),
			in:      csvOf("user_id,item_id,ts", 50, func(i int) string { return fmt.Sprintf("u%d,%d,%s", i, i, at) }),
			want:    []string{"unmatched_items: earlier imports know 0 % of the items"}},
		"items of the catalog": {
			earlier: csvOf("item_id,title", 5000, func(i int) string { return fmt.Sprintf("sku-%d,t", i) }),
			in:      csvOf("user_id,item_id,ts", 5000, func(i int) string { return fmt.Sprintf("u%d,sku-%d,%s", i, i%4000, at) })},
		"rows that are rejected": {in: orders(5) + ",i,click," + at + "\n", want: []string{"rejected_rows: 1 of 6 rows were rejected"}},
		"no rows":                {in: "user_id,item_id,ts\n", want: []string{"no_rows: "}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMemory()
			if c.earlier != "" {
				_, err := Import(t.Context(), m, []string{file(t, "earlier.csv", []byte(c.earlier))}, options(t))
				require.NoError(t, err)
			}
			before, path := len(m.objects), file(t, "in.csv", []byte(c.in))
			o := options(t)
			o.Strict = true
			strict, err := Import(t.Context(), m, []string{path}, o)
			var refused StrictError
			require.Equal(t, len(c.want) > 0, errors.As(err, &refused), "%v", err)
			if len(c.want) > 0 {
				require.Len(t, m.objects, before, "--strict wrote something")
				more := fmt.Sprintf(" (and %d more)", len(c.want)-1)
				require.Equal(t, len(c.want) > 1, strings.Contains(err.Error(), more), err.Error())
			}

			r, err := Import(t.Context(), m, []string{path}, options(t))
			require.NoError(t, err)
			warnings := r.Files[0].Report.Warnings
			require.Equal(t, strict.Files[0].Report.Warnings, warnings)
			require.Len(t, warnings, len(c.want), "%v", warnings)
			for i, want := range c.want {
				require.Contains(t, warnings[i].Code+": "+warnings[i].Message, want)
			}
			records, err := Records(t.Context(), m)
			require.NoError(t, err)
			stored := records[len(records)-1].Report
			if c.earlier != "" && len(records) == 2 && records[0].Kind == KindEvents {
				stored = records[0].Report
			}
			require.Equal(t, warnings, stored.Warnings, "the report is stored with the import")
		})
	}
}

// Estimates are close where a file has more ids than fit into memory.
func TestReport_estimates_large_files(t *testing.T) {
	t.Parallel()
	const users = 400_000
	body := csvOf("user_id,item_id,ts", users, func(i int) string { return fmt.Sprintf("user-%d,i%d,%d", i, i%1000, 1767225600+i) })
	o := options(t)
	o.DryRun = true
	r, err := Import(t.Context(), nil, []string{file(t, "in.csv", []byte(body))}, o)
	require.NoError(t, err)
	got := r.Files[0].Report
	require.True(t, got.Estimated)
	require.InEpsilon(t, users, got.Users, 0.02)
	require.EqualValues(t, 1000, got.Items)
	require.Zero(t, got.RepeatedContents)
	require.Empty(t, got.Warnings)
}

// A file that fails does not hide the later ones.
func TestImport_imports_every_path_by_itself(t *testing.T) {
	t.Parallel()
	m := newMemory()
	paths := []string{
		file(t, "bad.csv", []byte("who,what\n1,2\n")), file(t, "good.csv", []byte(orders(10))),
		filepath.Join(t.TempDir(), "absent.csv"), file(t, "items.csv", []byte("item_id,title\ntea-1,Tea\n")),
	}
	r, err := Import(t.Context(), m, paths, options(t))
	var failed FilesFailed
	require.ErrorAs(t, err, &failed)
	require.Len(t, failed.Errs, 2)
	require.ErrorContains(t, err, "2 of 4 files could not be imported; the first: ")
	require.ErrorContains(t, err, "bad.csv: no column looks like the user")
	require.Len(t, r.Files, 4)
	require.Contains(t, r.Files[0].Error, "no column looks like the user")
	require.Contains(t, r.Files[2].Error, "no such file")
	require.EqualValues(t, 10, r.Events)
	require.EqualValues(t, 1, r.Items)
	require.Len(t, m.events(t), 10)
}
