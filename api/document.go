package main

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"html/template"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"github.com/recflow/recflow/api/internal/rest"
	"github.com/recflow/recflow/internal/apiclient"
	"github.com/recflow/recflow/internal/config"
)

//go:embed reference.html
var referencePage string

//go:embed reference.css
var referenceStyle string

// document returns the OpenAPI document of the API, as committed in openapi.json.
func document() []byte {
	return documentOf(newServer(config.API{}, slog.New(slog.DiscardHandler), nil, nil).api.OpenAPI())
}

func documentOf(o *huma.OpenAPI) []byte {
	data, err := json.MarshalIndent(o, "", "  ")
	if err != nil {
		panic(err) // it is made of our own types
	}
	return append(data, '\n')
}

// documentRoutes registers the OpenAPI document and a reference page rendered from
// it, which needs no script and no external resource.
func (s *server) documentRoutes() {
	data := documentOf(s.api.OpenAPI())
	page := reference(s.api.OpenAPI())
	style := sha256.Sum256([]byte(referenceStyle))
	policy := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(style[:]) + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	s.api.Router.GET("/openapi.json", func(c *gin.Context) { c.Data(http.StatusOK, "application/vnd.oai.openapi+json;version=3.1", data) })
	s.api.Router.GET("/docs", func(c *gin.Context) {
		c.Header("Content-Security-Policy", policy)
		c.Data(http.StatusOK, "text/html; charset=utf-8", page)
	})
}

// operation is one entry of the reference page.
type operation struct {
	Method, Path string
	*huma.Operation
	Scope string
	Body  *huma.Schema
}

// reference renders the reference page.
func reference(o *huma.OpenAPI) []byte {
	var operations []operation
	for path, item := range o.Paths {
		for method, op := range map[string]*huma.Operation{"GET": item.Get, "PUT": item.Put, "POST": item.Post, "DELETE": item.Delete} {
			if op == nil {
				continue
			}
			entry := operation{Method: method, Path: path, Operation: op}
			for _, s := range op.Security {
				entry.Scope = strings.Join(s[rest.TokenScheme], ", ")
			}
			if op.RequestBody != nil {
				entry.Body = resolve(o, op.RequestBody.Content["application/json"].Schema)
			}
			operations = append(operations, entry)
		}
	}
	slices.SortFunc(operations, func(a, b operation) int {
		return cmp.Or(strings.Compare(a.Tags[0], b.Tags[0]), strings.Compare(a.Path, b.Path), strings.Compare(a.Method, b.Method))
	})
	t := template.Must(template.New("reference").Funcs(template.FuncMap{
		"style": func() template.CSS { return template.CSS(referenceStyle) },
		"kind":  func(s *huma.Schema) string { return kind(o, s) },
	}).Parse(referencePage))
	var out bytes.Buffer
	if err := t.Execute(&out, map[string]any{"Info": o.Info, "Operations": operations, "Scopes": apiclient.Scopes()}); err != nil {
		panic(err) // the page and the document are our own
	}
	return out.Bytes()
}

// resolve follows a reference into the components.
func resolve(o *huma.OpenAPI, s *huma.Schema) *huma.Schema {
	if s != nil && s.Ref != "" {
		return o.Components.Schemas.SchemaFromRef(s.Ref)
	}
	return s
}

// kind names the type of a field.
func kind(o *huma.OpenAPI, s *huma.Schema) string {
	if s == nil {
		return ""
	}
	if s.Ref != "" {
		return s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]
	}
	if s.Type == huma.TypeArray {
		return "list of " + kind(o, s.Items)
	}
	if s.Format != "" {
		return s.Format
	}
	return s.Type
}
