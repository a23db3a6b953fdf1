package importer

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/recflow/recflow/internal/importer/datasets"
	"github.com/recflow/recflow/internal/importer/mapping"
	"github.com/recflow/recflow/internal/importer/tabular"
)

// maxFolderDepth is how deep folders are read.
const maxFolderDepth = 16

// folder collects the data files of a folder and of the folders in it, in the byte
// order of their names. It follows links.
type folder struct {
	root     string
	single   datasets.File // rules of every file
	encoding string

	items, events []datasets.File
	ignored       []string // names with the reason
	open          []string // the folders around the current one, without links
}

func (w *folder) ignore(path, why string) {
	name, err := filepath.Rel(w.root, path)
	if err != nil {
		name = path
	}
	w.ignored = append(w.ignored, filepath.ToSlash(name)+": "+why)
}

// walk reads a folder in the byte order of the names.
func (w *folder) walk(path string, constants []tabular.Constant) error {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	if slices.Contains(w.open, real) {
		w.ignore(path, "a link to a folder that contains it")
		return nil
	}
	if len(w.open) == maxFolderDepth {
		w.ignore(path, fmt.Sprintf("a folder more than %d deep", maxFolderDepth))
		return nil
	}
	w.open = append(w.open, real)
	defer func() { w.open = w.open[:len(w.open)-1] }()
	entries, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := w.entry(filepath.Join(path, e.Name()), e.Name(), constants); err != nil {
			return err
		}
	}
	return nil
}

func (w *folder) entry(path, name string, constants []tabular.Constant) error {
	st, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		w.ignore(path, "a link to nothing")
	case err != nil:
		return err
	case strings.HasPrefix(name, "."):
		w.ignore(path, "hidden")
	case strings.HasPrefix(name, "_"):
		w.ignore(path, "a marker, not data")
	case st.IsDir():
		if c, ok := constantOf(name); ok {
			constants = append(slices.Clone(constants), c)
		}
		return w.walk(path, constants)
	case !st.Mode().IsRegular():
		w.ignore(path, "not a regular file")
	default:
		if why := notData(name); why != "" {
			w.ignore(path, why)
			return nil
		}
		w.data(path, constants)
	}
	return nil
}

// data adds a data file that has rows, or that cannot be read, which its import
// reports.
func (w *folder) data(path string, constants []tabular.Constant) {
	f := w.single
	f.Path, f.Constants = path, constants
	names, err := tabular.Peek(path, f.Format, w.encoding)
	if errors.Is(err, tabular.ErrNoRows) {
		w.ignore(path, err.Error())
		return
	}
	for _, c := range constants {
		names = append(names, c.Name)
	}
	if m, err := f.Rules.Mapping(mapping.Sample{Names: names}); err == nil && m.Items {
		w.items = append(w.items, f)
		return
	}
	w.events = append(w.events, f)
}

// constantOf returns the column of a folder that is named name=value, as Hive and
// Spark partition.
func constantOf(folder string) (tabular.Constant, bool) {
	name, value, ok := strings.Cut(folder, "=")
	if !ok || name == "" {
		return tabular.Constant{}, false
	}
	if plain, err := url.PathUnescape(name); err == nil {
		name = plain
	}
	if plain, err := url.PathUnescape(value); err == nil {
		value = plain
	}
	if value == "__HIVE_DEFAULT_PARTITION__" {
		value = ""
	}
	return tabular.Constant{Name: name, Value: value}, true
}

// notData returns why a file of a folder is not data, by its name. A file that is
// named explicitly may have any name.
func notData(name string) string {
	name = strings.ToLower(name)
	for _, packed := range []string{".gz", ".zst", ".bz2"} {
		name = strings.TrimSuffix(name, packed)
	}
	switch ext := filepath.Ext(name); ext {
	case ".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet":
		return ""
	case ".zip", ".7z", ".tar", ".tgz":
		return "an archive; unpack it"
	case ".xz", ".lz4", ".snappy":
		return "compressed with " + ext[1:] + "; decompress it, or use gzip, zstd or bzip2"
	case ".xls", ".xlsx", ".ods":
		return "a spreadsheet; save it as CSV"
	case ".avro", ".orc":
		return "a format that is not read; write it as Parquet, JSON lines or CSV"
	}
	return "its name does not end with .csv, .tsv, .json, .jsonl, .ndjson or .parquet; name it on the command line to read it"
}
