// Command package builds everything that AWS runs, into dist/: the Lambda's zip for
// each architecture, the training job's zip, script and wheels for Glue, and OCI
// images of the worker, the API and the command line, without Docker. Builds are
// reproducible: the same sources and the same version of Go produce the same bytes,
// so a digest identifies what is deployed. `make package` and `make images` run it.
//
// One file builds one kind of artifact; compile.go and write.go are shared.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/recflow/recflow/internal/config"
	"github.com/recflow/recflow/internal/progress"
)

// architectures of AWS, by Go's names.
var architectures = []string{"arm64", "amd64"}

// made is the time of every packaged file: the earliest that a zip can express.
var made = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// options are the command-line options.
type options struct {
	source        string // directory of the checkout
	out           string // directory of the artifacts
	cache         string // directory of downloads: RECFLOW_CACHE
	images        bool   // only these
	architectures []string
	ca            string // file of the RDS certificate bundle, or empty
	revision      string // for a label of the images, or empty
	push          string // repository prefix, or empty
	tag           string // of pushed images, or empty
	output        string // table or json
	quiet         bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		err = run(ctx, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("package", flag.ContinueOnError)
	flags.StringVar(&o.source, "C", ".", "directory of the checkout")
	flags.StringVar(&o.out, "out", "dist", "directory of the artifacts")
	flags.BoolVar(&o.images, "images", false, "build the images only")
	only := flags.String("arch", strings.Join(architectures, ","), "architectures, separated by commas")
	flags.StringVar(&o.ca, "rds-ca", "", "RDS certificate bundle (PEM) to include")
	flags.StringVar(&o.revision, "revision", "", "commit, for the images' label org.opencontainers.image.revision")
	flags.StringVar(&o.push, "push", "", "push the images to the repositories with this prefix, such as registry.example/recflow-")
	flags.StringVar(&o.tag, "tag", "", "tag of the pushed images; default: the beginning of their digest")
	flags.StringVar(&o.output, "o", "table", "output format: table or json")
	flags.BoolVar(&o.quiet, "q", false, "print no progress on stderr")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unknown argument %q; see -help", flags.Arg(0))
	}
	o.architectures = strings.Split(*only, ",")
	return o, o.validate()
}

func (o options) validate() error {
	for _, arch := range o.architectures {
		if arch != "arm64" && arch != "amd64" {
			return fmt.Errorf("unknown architecture %q; use arm64 or amd64", arch)
		}
	}
	if o.output != "table" && o.output != "json" {
		return fmt.Errorf("unknown output format %q; use table or json", o.output)
	}
	if o.push != "" && !strings.HasSuffix(o.push, "/") && !strings.HasSuffix(o.push, "-") {
		return fmt.Errorf("the repository prefix %q must end with / or -: the names worker, api and admin are appended to it", o.push)
	}
	return nil
}

// run builds, writes, and pushes if requested.
func run(ctx context.Context, o options) error {
	p := progress.New(os.Stderr)
	if o.quiet {
		p = progress.Discard()
	}
	local, err := config.ReadLocal()
	if err != nil {
		return err
	}
	o.cache = local.Cache
	b, err := newBuilder(o, p)
	if err != nil {
		return err
	}
	defer b.Close()
	var all []artifact
	for _, arch := range o.architectures {
		more, err := b.all(ctx, arch)
		if err != nil {
			return err
		}
		all = append(all, more...)
	}
	if !o.images {
		more, err := b.glue()
		if err != nil {
			return err
		}
		wheels, err := b.wheels(ctx)
		if err != nil {
			return err
		}
		all = append(append(all, more...), wheels...)
	}
	pushed, err := b.pushAll(ctx)
	if err != nil {
		return err
	}
	return print(os.Stdout, o.output, report{Artifacts: all, Pushed: pushed})
}
