package main

import (
	"archive/zip"
	"compress/flate"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// artifact is a finished file.
type artifact struct {
	Name    string `json:"name"`
	Path    string `json:"path"`
	Bytes   int64  `json:"bytes"`
	SHA256  string `json:"sha256"`                 // of the file
	Digest  string `json:"image_digest,omitempty"` // of an image: its digest in a registry
	BuildID string `json:"build_id,omitempty"`     // build ID reported by its program
}

// replace writes a file under another name, and renames it once it is complete.
func replace(name, to string, write func(io.Writer) error) (artifact, error) {
	f, err := os.CreateTemp(filepath.Dir(to), ".package-")
	if err != nil {
		return artifact{}, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	hash, counted := sha256.New(), &counter{}
	if err := write(io.MultiWriter(f, hash, counted)); err != nil {
		return artifact{}, err
	}
	if err := errors.Join(f.Chmod(0o644), f.Close(), os.Rename(f.Name(), to)); err != nil {
		return artifact{}, err
	}
	return artifact{Name: name, Path: to, Bytes: counted.n, SHA256: hex.EncodeToString(hash.Sum(nil))}, nil
}

// counter counts the bytes written to it.
type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}

// entry is a file to be packaged: content, or the file at path.
type entry struct {
	name    string
	mode    fs.FileMode
	content []byte
	path    string
}

// copyTo writes the content of the entry.
func (e entry) copyTo(w io.Writer) error {
	if e.path == "" {
		_, err := w.Write(e.content)
		return err
	}
	in, err := os.Open(e.path)
	if err != nil {
		return err
	}
	defer in.Close()
	_, err = io.Copy(w, in)
	return err
}

// writeZip packs files in the given order, all with the same time.
func writeZip(w io.Writer, entries []entry) error {
	z := zip.NewWriter(w)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) {
		return flate.NewWriter(w, flate.BestCompression)
	})
	for _, e := range entries {
		header := &zip.FileHeader{Name: e.name, Method: zip.Deflate, Modified: made}
		header.SetMode(e.mode)
		to, err := z.CreateHeader(header)
		if err != nil {
			return err
		}
		if err := e.copyTo(to); err != nil {
			return err
		}
	}
	return z.Close()
}
