package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/recflow/recflow/internal/config"
)

// pushed is an image in a registry, with all its architectures under one name.
type pushed struct {
	Name string `json:"name"`
	Tag  string `json:"tag"`
	URI  string `json:"uri"` // by digest: as in a deployment
}

// pushAll pushes every component, if requested.
func (b *builder) pushAll(ctx context.Context) ([]pushed, error) {
	if b.push == "" {
		return nil, nil
	}
	access, err := access()
	if err != nil {
		return nil, err
	}
	var out []pushed
	for _, c := range components {
		task := b.progress.Start(c.name, "pushing to "+b.push+c.name)
		p, err := b.pushOne(ctx, c.name, access)
		if err != nil {
			task.Fail()
			return nil, fmt.Errorf("push %s: %w%s", b.push+c.name, err, advice(err))
		}
		task.Done("%s", p.URI)
		out = append(out, p)
	}
	return out, nil
}

// pushOne pushes one component. Without a tag the tag is the beginning of its
// digest, so that pushing it again changes nothing, and a repository may make its
// tags immutable.
func (b *builder) pushOne(ctx context.Context, component string, access remote.Option) (pushed, error) {
	index, err := join(b.built[component])
	if err != nil {
		return pushed{}, err
	}
	digest, err := index.Digest()
	if err != nil {
		return pushed{}, err
	}
	tag := b.tag
	if tag == "" {
		tag = digest.Hex[:12]
	}
	ref, err := name.NewTag(b.push + component + ":" + tag)
	if err != nil {
		return pushed{}, err
	}
	p := pushed{Name: component, Tag: tag, URI: ref.Digest(digest.String()).String()}
	options := []remote.Option{remote.WithContext(ctx), access}
	if there, err := remote.Head(ref, options...); err == nil && there.Digest == digest {
		return p, nil
	}
	return p, remote.WriteIndex(ref, index, options...)
}

// advice returns what to do about a registry's error.
func advice(err error) string {
	var answer *transport.Error
	if !errors.As(err, &answer) {
		return ""
	}
	switch answer.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		return "; sign in: RECFLOW_REGISTRY_PASSWORD=$(aws ecr get-login-password), or Docker's own login"
	case http.StatusNotFound:
		return "; create the repository first, for example with Terraform's module services"
	}
	return ""
}

// join combines the images of a component under one name.
func join(images []v1.Image) (v1.ImageIndex, error) {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, img := range images {
		config, err := img.ConfigFile()
		if err != nil {
			return nil, err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: config.Platform()}})
	}
	return index, nil
}

// access returns the registry credentials: the password from the environment, or
// Docker's configuration.
func access() (remote.Option, error) {
	c, err := config.ReadRegistry()
	if err != nil {
		return nil, err
	}
	if c.Password == "" {
		return remote.WithAuthFromKeychain(authn.DefaultKeychain), nil
	}
	return remote.WithAuth(&authn.Basic{Username: c.User, Password: c.Password}), nil
}
