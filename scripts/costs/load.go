package main

import "math"

// load is the monthly load of the system, and the sizes chosen for it.
type load struct {
	name      string
	events    float64 // per month, each producing a list
	requests  float64 // list requests to the API, per month
	users     float64
	items     float64
	pairs     float64 // (user, item) that a training reads
	trainings float64 // per month

	instance price
	vcpus    float64 // of the instance
	zones    float64 // zones with a copy of the database: 1, or 2 with a standby
	disk     float64 // GB
	workers  float64 // of a Glue run, 1 DPU each
}

var loads = []load{
	{
		name: "small", events: 5e6, requests: 5e6, users: 100_000, items: 20_000, pairs: 3e6, trainings: 30,
		instance: rdsT4gMedium, vcpus: 2, zones: 1, disk: 50, workers: 2,
	},
	{
		name: "medium", events: 100e6, requests: 100e6, users: 1e6, items: 50_000, pairs: 60e6, trainings: 30,
		instance: rdsR7gXlarge, vcpus: 4, zones: 2, disk: 200, workers: 5,
	},
	{
		name: "large", events: 500e6, requests: 500e6, users: 10e6, items: 100_000, pairs: 600e6, trainings: 30,
		instance: rdsR7g4xlarge, vcpus: 16, zones: 2, disk: 1000, workers: 20,
	},
}

// Measurements from docs/benchmarks.md, on a machine with two cores.
const (
	listSeconds  = (1.7 + 1.4 + 1.8 + 0.8 + 3.0) / 1000 // per list in the function: store, read, fold, search, write
	eventsACore  = 1309.0 / 2                           // per second, with everything else on the same cores
	requestsCore = 1749.0 / 2                           // per second: recommendations for a user, eight callers
	pairSeconds  = 65.9 * 2 / 843_805                   // of a core: the training job, without its startup
)

// Assumptions that were not measured. Each one is conservative.
const (
	hours        = 730.0 // of a month
	peak         = 3.0   // times the mean
	batch        = 10.0  // events per invocation
	leastMemory  = 0.5   // GB of a function, Terraform's default
	eventBytes   = 300.0
	listBytes    = 1600.0
	logBytes     = 1600.0 // per invocation, metrics and Lambda's own lines
	flowBytes    = 2.0    // per event or request, of flow logs
	packed       = 0.25   // of the bytes, after gzip
	efficiency   = 0.5    // of Spark on several workers, relative to one machine
	glueStart    = 120.0  // seconds of all workers
	monthsOfRaw  = 12.0
	monthsKept   = 3.0 // of the files of trainings: keep.embeddings_days
	endpoints    = 8.0 // interface endpoints of the network module
	zonesOfVPC   = 2.0
	alarmMetrics = 36.0 // an alarm on several metrics is billed for each
	metrics      = 50.0 // the function's, the worker's, Container Insights'

	secrets      = 2.0
	imagesGB     = 0.2
	taskCPU      = 0.5 // of the API
	leastTask    = 1.0 // GB
	workerCPU    = 1.0
	workerMemory = 4.0   // GB
	objectsHour  = 60.0  // per delivery stream: one per buffer of 60 seconds
	sweepActions = 4000  // of Temporal, per month
	runActions   = 100.0 // per refresh, without heartbeats
	beatsMinute  = 30.0
	gigabyte     = 1e9
	kilobyte     = 1024.0
)

// perSecond returns the monthly mean.
func perSecond(count float64) float64 { return count / (hours * 3600) }

// databaseCPUs returns the vCPUs that the database needs at peak, assuming that a
// vCPU performs like a core of the benchmark's machine.
func (l load) databaseCPUs() float64 {
	return peak * (perSecond(l.events)/eventsACore + perSecond(l.requests)/requestsCore)
}

// apiTasks returns the number of API tasks, at least two. It assumes that a request
// costs a task what it cost API, Postgres and sender together, which is too high.
func (l load) apiTasks() float64 {
	return max(2, math.Ceil(peak*perSecond(l.requests)/requestsCore/taskCPU))
}

// searchMemory returns the GB of a process that holds two versions in 60 % of its
// memory, as terraform/sizes.tf: 682 bytes an item of 64 dimensions.
func (l load) searchMemory() float64 { return 2 * l.items * 682 / 0.6 / (1 << 30) }

// functionMemory and taskMemory return the GB of a function and of an API task.
func (l load) functionMemory() float64 { return max(leastMemory, l.searchMemory()) }
func (l load) taskMemory() float64     { return max(leastTask, math.Ceil(l.searchMemory())) }

// glueSeconds returns the duration of one training.
func (l load) glueSeconds() float64 {
	return glueStart + l.pairs*pairSeconds/4/l.workers/efficiency
}

// embeddingsGB returns the output size of one training: 64 values of four bytes,
// doubled for IDs, histories and the manifest.
func (l load) embeddingsGB() float64 { return (l.users + l.items) * 64 * 4 * 2 / gigabyte }
