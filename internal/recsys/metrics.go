package recsys

import (
	"math"
	"math/rand/v2"
	"slices"
)

// NDCGAt returns the normalized discounted cumulative gain of the first k of
// list: a hit at rank r (from 1) gains 1/log₂(r+1), and the sum is divided by
// that of a list with every answer first. It returns 0 without answers.
func NDCGAt(k int, list []string, answers map[string]bool) float64 {
	if k <= 0 || len(answers) == 0 {
		return 0
	}
	var gain, ideal float64
	for i, item := range list[:min(k, len(list))] {
		if answers[item] {
			gain += 1 / math.Log2(float64(i+2))
		}
	}
	for i := range min(k, len(answers)) {
		ideal += 1 / math.Log2(float64(i+2))
	}
	return gain / ideal
}

// SearchRecallAt returns the share of the true k nearest items that a search
// found, judged by score so that ties count: the found scores that reach the
// k-th best true one, over k. Both lists are in descending order; if the true
// list is shorter than k, its length replaces k. It returns 1 if the true list
// is empty.
func SearchRecallAt(k int, found, truth []float64) float64 {
	k = min(k, len(truth))
	if k == 0 {
		return 1
	}
	// Two plans may add the same products in another order.
	bar := truth[k-1] - 1e-6*math.Abs(truth[k-1])
	n := 0
	for _, score := range found[:min(k, len(found))] {
		if score >= bar {
			n++
		}
	}
	return float64(n) / float64(k)
}

// Mean returns the arithmetic mean, or 0 for no values.
func Mean(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	var sum float64
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

// Quantile returns the smallest value such that at least the share q of the
// values do not exceed it, or 0 for no values. It does not change values.
func Quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	i := int(math.Ceil(q*float64(len(sorted)))) - 1
	return sorted[min(max(i, 0), len(sorted)-1)]
}

// bootstrapSamples is the number of resamples of Bootstrap: enough that the
// ends of the interval vary by about a fiftieth of its width between seeds.
const bootstrapSamples = 2000

// Bootstrap returns the mean of one value per user with its 95 % percentile
// interval over resampled users. For the differences of two lists of values
// over the same users, the interval is the paired one. Equal arguments give
// equal results.
func Bootstrap(values []float64, seed uint64) Metric {
	m := Metric{Value: Mean(values)}
	if len(values) == 0 {
		return m
	}
	rng := rand.New(rand.NewPCG(seed, uint64(len(values))))
	means := make([]float64, bootstrapSamples)
	for i := range means {
		var sum float64
		for range values {
			sum += values[rng.IntN(len(values))]
		}
		means[i] = sum / float64(len(values))
	}
	m.Low, m.High = Quantile(means, 0.025), Quantile(means, 0.975)
	return m
}

// PairedInterval returns the 95 % interval of the difference between two shares
// of the same n events, where onlyA events were hits only for the first and
// onlyB only for the second. It is Wald's interval with half an event added to
// each of the four cells, which keeps its level for small n and has a width
// even without differences.
func PairedInterval(onlyA, onlyB, n int64) (low, high float64) {
	const z = 1.959964 // the 97.5 % quantile of the normal distribution
	b, c, m := float64(onlyA)+0.5, float64(onlyB)+0.5, float64(n)+2
	d := (b - c) / m
	half := z * math.Sqrt(b+c-(b-c)*(b-c)/m) / m
	return max(d-half, -1), min(d+half, 1)
}
