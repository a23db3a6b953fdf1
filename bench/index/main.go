// Command index measures searching internal/search against a plain scan in
// float32, on one core of one process, with generated vectors.
//
//	go run ./bench/index                 63,417 × 64, 41,000 × 256 and 1,000,000 × 64
//	go run ./bench/index -only 63417x64  one of them
//
// It measures each with the processor's own kernel and, in a second process, with
// the portable one. Lists have 20 items and leave out 300 of the nearest 1,000.
// A query is answered both ways in turn, each time the quickest of -repeat times,
// in processor time, which other work on the machine changes less than the clock.
// Every list is compared with that of the scan. Similar items are measured for each β.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/recflow/recflow/bench/internal/generated"
	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/search"
)

// shape is a catalog, and how the time of a search may compare with a scan's.
type shape struct {
	name             string
	items, dimension int
	deviation        float64 // of the logarithms of the vectors' lengths
	queries          int
	bar, portableBar float64
}

var shapes = []shape{
	{"63417x64", 63_417, 64, 0.7, 200, 0.03, 0.12},
	{"41000x256", 41_000, 256, 0.3, 200, 0.15, 0.5},
	{"1000000x64", 1_000_000, 64, 0.7, 50, 0.03, 0.12},
}

// categories have these shares of the items.
var categories = []struct {
	name  string
	every int
}{{"10 %", 10}, {"1 %", 100}, {"0.1 %", 1000}}

func main() {
	only := flag.String("only", "", "measure only the shape with this name")
	portable := flag.Bool("portable", false, "label the figures: GODEBUG has turned the processor's own kernel off")
	repeat := flag.Int("repeat", 3, "times that each query is answered")
	flag.Parse()
	if err := run(*only, *portable, *repeat); err != nil {
		fmt.Fprintln(os.Stderr, "index:", err)
		os.Exit(1)
	}
}

func run(only string, portable bool, repeat int) error {
	runtime.GOMAXPROCS(1)
	runtime.LockOSThread() // whose processor time is measured
	for _, s := range shapes {
		if only != "" && only != s.name {
			continue
		}
		if err := s.measure(portable, repeat); err != nil {
			return err
		}
		own, known := map[string]string{"amd64": "avx2", "arm64": "asimddp"}[runtime.GOARCH]
		if portable || !known {
			continue
		}
		again := exec.Command(os.Args[0], "-portable", "-only", s.name, "-repeat", fmt.Sprint(repeat))
		again.Env = append(again.Environ(), "GODEBUG=cpu."+own+"=off")
		again.Stdout, again.Stderr = os.Stdout, os.Stderr
		if err := again.Run(); err != nil {
			return err
		}
	}
	return nil
}

func (s shape) measure(portable bool, repeat int) error {
	kernel, bar := "native", s.bar
	if portable {
		kernel, bar = "portable", s.portableBar
	}
	items, users := generated.Vectors(s.items, s.queries, s.dimension, s.deviation)
	began := time.Now()
	b := search.NewBuilder(s.dimension, int64(s.items))
	for i := range s.items {
		item := recsys.Item{ItemID: generated.ItemID(i), Title: fmt.Sprint("Item ", i), Category: "other", Available: true}
		for _, c := range slices.Backward(categories) {
			if i%c.every == c.every/2 {
				item.Category = c.name
			}
		}
		if err := b.Add(item, items[i*s.dimension:(i+1)*s.dimension]); err != nil {
			return err
		}
	}
	x, err := b.Build()
	if err != nil {
		return err
	}
	view := x.View()
	fmt.Printf("%s %s: built in %.1f s, %.2f × the vectors' bytes\n", s.name, kernel, time.Since(began).Seconds(), float64(x.Bytes())/float64(4*len(items)))

	scan := newScan(items, s.dimension)
	var plain, found times
	filtered := make([]times, len(categories))
	for n := range s.queries {
		q := recsys.Query{Vector: users[n*s.dimension : (n+1)*s.dimension], K: 20, Exclude: scan.someNearest(users[n*s.dimension:(n+1)*s.dimension], 300)}
		var want, got []recsys.Hit
		plain.add(repeat, func() { want = scan.search(q) })
		found.add(repeat, func() { got, err = view.Search(q) })
		if err != nil {
			return err
		}
		if !slices.EqualFunc(want, got, func(a, b recsys.Hit) bool { return a.ItemID == b.ItemID && a.Score == b.Score }) {
			return fmt.Errorf("%s: query %d has another list than the scan", s.name, n)
		}
		for i, c := range categories {
			q.Category = c.name
			filtered[i].add(repeat, func() { _, err = view.Search(q) })
		}
	}
	fmt.Printf("  scan %s, search %s, search ÷ scan %.4f (bar %.2f)\n", plain, found, found.over(plain), bar)
	for i, c := range categories {
		fmt.Printf("  filter of %s: %s, filtered ÷ unfiltered %.2f\n", c.name, filtered[i], filtered[i].over(found))
	}
	return s.measureSimilar(view, items, repeat)
}

// measureSimilar measures the items nearest to items, spread over the catalog, for each β.
func (s shape) measureSimilar(view *search.View, items []float32, repeat int) (err error) {
	betas := recsys.Betas()
	took := make([]times, len(betas))
	for n := range s.queries {
		i := n * (s.items / s.queries)
		q := recsys.Query{Vector: items[i*s.dimension : (i+1)*s.dimension], K: 20, Exclude: []string{generated.ItemID(i)}}
		for j, beta := range betas {
			q.Beta = beta
			took[j].add(repeat, func() { _, err = view.Search(q) })
			if err != nil {
				return err
			}
		}
	}
	for j, beta := range betas {
		fmt.Printf("  similar items, β %g: %s, ÷ β 0 %.2f\n", beta, took[j], took[j].over(took[0]))
	}
	return nil
}

// times is the quickest answer to each query.
type times []time.Duration

func (t *times) add(repeat int, answer func()) {
	quickest := time.Duration(1<<63 - 1)
	for range repeat {
		began := processorTime()
		answer()
		quickest = min(quickest, processorTime()-began)
	}
	*t = append(*t, quickest)
}

func (t times) percentile(p int) time.Duration {
	return slices.Sorted(slices.Values(t))[len(t)*p/100]
}

func (t times) over(other times) float64 {
	return float64(t.percentile(50)) / float64(other.percentile(50))
}

func (t times) String() string {
	return fmt.Sprintf("%.3f / %.3f ms", t.percentile(50).Seconds()*1000, t.percentile(95).Seconds()*1000)
}

// processorTime is that of this thread.
func processorTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		panic(err)
	}
	return time.Duration(t.Nano())
}
