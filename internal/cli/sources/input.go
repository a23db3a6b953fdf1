package sources

import (
	"fmt"
	"io"
	"os"

	"github.com/recflow/recflow/internal/cli/app"
	"github.com/recflow/recflow/internal/importer/tabular"
)

// Input is an open text file, or standard input.
type Input struct {
	io.Reader
	io.Closer
	Name string // for messages
}

// OpenInput opens a text file; - is standard input. A leading byte order mark is
// removed.
func OpenInput(a *app.App, path string) (in Input, err error) {
	in = Input{Reader: a.In, Closer: io.NopCloser(nil), Name: "standard input"}
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return in, err
		}
		in = Input{f, f, path}
	}
	if in.Reader, err = tabular.NewTextReader(in.Reader); err != nil {
		in.Close()
		return in, fmt.Errorf("%s: %w", in.Name, err)
	}
	return in, nil
}
