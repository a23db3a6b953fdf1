// Command foldin measures folding in a history on one core of one process, with
// generated vectors, against an equation that is summed item by item.
//
//	go run ./bench/foldin               histories of 20, 100 and 500 items at rank 64 and 256
//
// `whole` looks up the items by id in a search index and calls FoldIn.Vector, as a
// request does. `equation` is FoldIn.Vector alone. `item by item` sums the same
// equation with one rank-1 update for each item. Each is repeated in turn, and the
// fastest of -repeat times counts, in processor time, which other work on the
// machine changes less than the clock. The vectors are compared.
package main

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"

	"github.com/recflow/recflow/internal/recsys"
	"github.com/recflow/recflow/internal/search"
)

// catalog is the number of items of the index.
const catalog = 20_000

func main() {
	repeat := flag.Int("repeat", 20, "times that each is repeated")
	flag.Parse()
	if err := run(*repeat); err != nil {
		fmt.Fprintln(os.Stderr, "foldin:", err)
		os.Exit(1)
	}
}

func run(repeat int) error {
	runtime.GOMAXPROCS(1)
	runtime.LockOSThread() // whose processor time is measured
	fmt.Printf("%-24s %10s %10s %14s %12s\n", "milliseconds", "whole", "equation", "item by item", "÷ that")
	for _, k := range []int{64, 256} {
		index, f, err := build(k)
		if err != nil {
			return err
		}
		for _, n := range []int{20, 100, 500} {
			if err := row(index, f, n, repeat); err != nil {
				return err
			}
		}
	}
	return nil
}

// build returns an index of generated items and its fold-in.
func build(k int) (*search.Index, recsys.FoldIn, error) {
	r := rand.New(rand.NewPCG(1, uint64(k)))
	f := recsys.FoldIn{Dimension: k, Gram: make([]float64, k*k), Alpha: 2, Regularization: 0.1, Exponent: 1, MeanItems: 1}
	b := search.NewBuilder(k, catalog)
	v := make([]float32, k)
	for i := range catalog {
		for j := range v {
			v[j] = float32(r.NormFloat64()) * 0.1
		}
		for x := range k {
			for y := range k {
				f.Gram[x*k+y] += float64(v[x]) * float64(v[y])
			}
		}
		if err := b.Add(recsys.Item{ItemID: strconv.Itoa(i), Available: true}, v); err != nil {
			return nil, f, err
		}
	}
	index, err := b.Build()
	return index, f, err
}

// row measures a history of n items.
func row(index *search.Index, f recsys.FoldIn, n, repeat int) error {
	ids, weights := make([]string, n), make([]float32, n)
	for i := range ids {
		ids[i], weights[i] = strconv.Itoa(i*catalog/n), float32(i%7)+0.5
	}
	items := make([][]float32, n)
	look := func() {
		for i, id := range ids {
			items[i] = index.Vector(id)
		}
	}
	var got, want []float32
	var err error
	whole := fastest(repeat, func() {
		look()
		got, err = f.Vector(items, weights)
	})
	if err != nil {
		return err
	}
	equation := fastest(repeat, func() { got, _ = f.Vector(items, weights) })
	single := fastest(repeat, func() { want = itemByItem(f, items, weights) })
	for i := range want {
		if math.Abs(float64(got[i]-want[i])) > 1e-6*(1+math.Abs(float64(want[i]))) {
			return fmt.Errorf("value %d is %g, item by item %g", i, got[i], want[i])
		}
	}
	fmt.Printf("%-24s %10.3f %10.3f %14.3f %12.2f\n", fmt.Sprintf("%d items × %d", n, f.Dimension), whole, equation, single, equation/single)
	return nil
}

// itemByItem solves the equation of recsys.FoldIn with rank-1 updates.
func itemByItem(f recsys.FoldIn, items [][]float32, weights []float32) []float32 {
	k := f.Dimension
	a := blas64.Symmetric{N: k, Stride: k, Data: append([]float64(nil), f.Gram...), Uplo: blas.Upper}
	b := blas64.Vector{N: k, Inc: 1, Data: make([]float64, k)}
	v := blas64.Vector{N: k, Inc: 1, Data: make([]float64, k)}
	for i, item := range items {
		for j, x := range item {
			v.Data[j] = float64(x)
		}
		blas64.Syr(f.Alpha*float64(weights[i]), v, a)
		blas64.Axpy(1+f.Alpha*float64(weights[i]), v, b)
	}
	for i := range k {
		a.Data[i*k+i] += f.Regularization * float64(len(items))
	}
	var chol mat.Cholesky
	chol.Factorize(mat.NewSymDense(k, a.Data))
	var x mat.VecDense
	_ = chol.SolveVecTo(&x, mat.NewVecDense(k, b.Data))
	out := make([]float32, k)
	for i := range out {
		out[i] = float32(x.AtVec(i))
	}
	return out
}

// fastest returns the processor time of the fastest call, in milliseconds.
func fastest(repeat int, call func()) float64 {
	best := math.Inf(1)
	for range repeat {
		began := processor()
		call()
		best = min(best, float64(processor()-began)/float64(time.Millisecond))
	}
	return best
}

// processor returns the processor time of the thread.
func processor() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		panic(err)
	}
	return time.Duration(t.Nano())
}
