package recommendations

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"charm.land/lipgloss/v2"

	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/cli/output"
	"github.com/recflow/recflow/internal/recsys"
)

// listWriter prints lists one by one, so that memory use does not depend on the
// number of users, except for YAML.
type listWriter interface {
	write(apiclient.List) error
	close() error
}

func newListWriter(a *app.App, w io.Writer) listWriter {
	switch a.Output {
	case "json":
		return &jsonLists{w: w}
	case "csv":
		return &csvLists{w: csv.NewWriter(w)}
	case "yaml":
		return &yamlLists{app: a}
	default:
		return &tableLists{w: a.Out} // unbuffered: the format depends on whether it is a terminal
	}
}

// yamlLists prints all lists at the end.
type yamlLists struct {
	app   *app.App
	lists []apiclient.List
}

func (l *yamlLists) write(list apiclient.List) error {
	l.lists = append(l.lists, list)
	return nil
}

func (l *yamlLists) close() error { return l.app.Print(output.Listing{JSON: l.lists}) }

// csvLists writes one row per item.
type csvLists struct {
	w     *csv.Writer
	begun bool
}

func (l *csvLists) begin() error {
	if l.begun {
		return nil
	}
	l.begun = true
	return l.w.Write([]string{"user_id", "item_id", "rank", "score", "stage", "version"})
}

func (l *csvLists) write(list apiclient.List) error {
	if err := l.begin(); err != nil {
		return err
	}
	version := strconv.FormatInt(list.Version, 10)
	for _, it := range list.Items {
		row := []string{list.UserID, it.ItemID, strconv.Itoa(it.Rank), score(it.Score), list.Stage, version}
		if err := l.w.Write(row); err != nil {
			return err
		}
	}
	return nil
}

func (l *csvLists) close() error {
	if err := l.begin(); err != nil {
		return err
	}
	l.w.Flush()
	return l.w.Error()
}

// jsonLists writes one array with an element per user.
type jsonLists struct {
	w io.Writer
	n int
}

func (l *jsonLists) write(list apiclient.List) error {
	separator := "[\n  "
	if l.n > 0 {
		separator = ",\n  "
	}
	l.n++
	data, err := json.MarshalIndent(list, "  ", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(l.w, "%s%s", separator, data)
	return err
}

func (l *jsonLists) close() error {
	end := "\n]\n"
	if l.n == 0 {
		end = "[]\n"
	}
	_, err := io.WriteString(l.w, end)
	return err
}

// noItems is printed instead of a table without rows.
const noItems = "no item matches"

// tableLists writes a heading and a table per user.
type tableLists struct {
	w io.Writer
	n int
}

func (l *tableLists) write(list apiclient.List) error {
	if l.n++; l.n > 1 {
		if _, err := fmt.Fprintln(l.w); err != nil {
			return err
		}
	}
	who := "user " + list.UserID
	if list.UserID == "" {
		who = "anonymous user"
	}
	if _, err := fmt.Fprintf(l.w, "%s · %s · version %d\n", who, stageText(list.Stage), list.Version); err != nil {
		return err
	}
	if len(list.Items) == 0 {
		_, err := fmt.Fprintln(l.w, noItems)
		return err
	}
	_, err := lipgloss.Fprintln(l.w, output.Table(rankedColumns, rankedRows(list.Items)))
	return err
}

func (l *tableLists) close() error { return nil }

func stageText(stage string) string {
	switch stage {
	case recsys.StagePopular:
		return "popular (no events with weight from this user)"
	case recsys.StageSession:
		return "session (from live events and recent items)"
	default:
		return stage
	}
}

var rankedColumns = []string{"rank", "item", "title", "category", "score"}

func rankedRows(items []apiclient.Ranked) [][]string {
	rows := make([][]string, len(items))
	for i, it := range items {
		rows[i] = []string{strconv.Itoa(it.Rank), it.ItemID, it.Title, it.Category, output.Number(it.Score)}
	}
	return rows
}

// score formats a score with the precision of a float32.
func score(x float64) string { return strconv.FormatFloat(x, 'g', 9, 64) }
