package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/recflow/recflow/api/internal/rest"
	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/importer"
	"github.com/recflow/recflow/internal/postgres"
	"github.com/recflow/recflow/internal/recsys"
)

func (s *server) importRoutes() {
	tags := []string{"Imports"}
	access := rest.Access{Scope: apiclient.ScopeRead, Timeout: bucketTimeout, Slots: s.objects}
	rest.Register(s.api, huma.Operation{OperationID: "list-imports", Method: http.MethodGet, Path: "/imports", Tags: tags,
		Summary: "List imported files, newest first"}, access, s.listImports)
	rest.Register(s.api, huma.Operation{OperationID: "get-import", Method: http.MethodGet, Path: "/imports/{id}", Tags: tags,
		Summary: "Show an imported file with the report about its rows"}, access, s.getImport)
	rest.Register(s.api, huma.Operation{OperationID: "remove-import", Method: http.MethodDelete, Path: "/imports/{id}", Tags: tags,
		Summary: "Remove an imported file",
		Description: "Removes the rows of a file from the bucket. The next training does not know them; versions keep what they were trained on. " +
			"The request can be repeated after an error. An import that a later one continues is removed after that."},
		rest.Access{Scope: apiclient.ScopeOperate, Action: "import.remove", Timeout: bucketTimeout, Slots: s.objects}, s.removeImport)
}

type listImportsInput struct {
	Cursor string `query:"cursor" maxLength:"500" doc:"Cursor of the page: next of the previous page. Defaults to the first page."`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"Maximum number of imports to return."`
}
type listImportsOutput struct{ Body apiclient.Imports }

func (s *server) listImports(ctx context.Context, in *listImportsInput) (*listImportsOutput, error) {
	all, err := s.importRecords(ctx)
	if err != nil {
		return nil, err
	}
	slices.Reverse(all)
	if in.Cursor != "" {
		text, err := rest.DecodeCursor(in.Cursor)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(all, func(r importer.Record) bool { return importPosition(r) < text })
		if i < 0 {
			i = len(all)
		}
		all = all[i:]
	}
	out := &listImportsOutput{apiclient.Imports{Items: []apiclient.Import{}}}
	for _, r := range all[:min(in.Limit, len(all))] {
		i := importOf(r)
		i.Report = nil
		out.Body.Items = append(out.Body.Items, i)
	}
	if len(all) > in.Limit {
		out.Body.Next = rest.EncodeCursor(importPosition(all[in.Limit-1]))
	}
	return out, nil
}

// importPosition orders imports as importer.Records does.
func importPosition(r importer.Record) string {
	return r.FirstImportedAt.UTC().Format("2006-01-02T15:04:05.000000Z") + " " + r.SHA256
}

type importInput struct {
	ID string `path:"id" maxLength:"256" doc:"SHA-256 of the file, in hex."`
}
type getImportOutput struct{ Body apiclient.Import }

func (s *server) getImport(ctx context.Context, in *importInput) (*getImportOutput, error) {
	all, err := s.importRecords(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(r importer.Record) bool { return r.SHA256 == in.ID })
	if i < 0 {
		return nil, fmt.Errorf("import %.16s: %w", in.ID, recsys.ErrNotFound)
	}
	return &getImportOutput{importOf(all[i])}, nil
}

type removeImportOutput struct{ Body apiclient.RemovedImport }

func (s *server) removeImport(ctx context.Context, in *importInput) (*removeImportOutput, error) {
	if err := s.requireImports(); err != nil {
		return nil, err
	}
	var n int
	err := s.api.Change(ctx, in.ID, func(*postgres.DB) (err error) {
		n, err = importer.Remove(ctx, s.imports, in.ID)
		var continued importer.ContinuedError
		if errors.As(err, &continued) {
			return rest.Fail(http.StatusConflict, "continued", continued.Error(), "remove the import "+continued.SHA256+" first")
		}
		if err != nil {
			return s.bucketProblem(ctx, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &removeImportOutput{apiclient.RemovedImport{Objects: n}}, nil
}

func (s *server) importRecords(ctx context.Context) ([]importer.Record, error) {
	if err := s.requireImports(); err != nil {
		return nil, err
	}
	all, err := importer.Records(ctx, s.imports)
	if err != nil {
		return nil, s.bucketProblem(ctx, err)
	}
	return all, nil
}

func (s *server) requireImports() error {
	if s.imports == nil {
		return rest.FailAfter(http.StatusServiceUnavailable, "no_bucket", "no bucket is configured", "set RECFLOW_BUCKET", time.Minute)
	}
	return nil
}

// importOf maps the record of an import to its public form.
func importOf(r importer.Record) apiclient.Import {
	out := apiclient.Import{
		ID: r.SHA256, File: r.File, Kind: r.Kind, Format: r.Format, Bytes: r.Bytes, FirstImportedAt: r.FirstImportedAt, Complete: r.Complete, Until: r.Until,
		Rows: r.Rows, Accepted: r.Accepted, Rejected: r.Rejected, Columns: r.Columns, EventType: r.EventType, Reading: r.Reading,
		Warnings: []apiclient.ImportWarning{},
	}
	for _, c := range r.Continues {
		out.Continues = append(out.Continues, apiclient.Continued{ID: c.SHA256, File: c.File, Rows: c.Rows})
	}
	if r.Report == nil {
		return out
	}
	for _, w := range r.Report.Warnings {
		out.Warnings = append(out.Warnings, apiclient.ImportWarning{Code: w.Code, Message: w.Message})
	}
	out.Report, _ = json.Marshal(r.Report) // read from JSON
	return out
}
