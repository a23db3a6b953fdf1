package main

import "math"

// component is a line of the bill: its monthly cost and a description of the
// formula.
type component struct {
	name    string
	formula string
	cost    func(load) float64
}

var recflow = []component{
	{"Kinesis", "stream hours + events × 1 KB in and out", func(l load) float64 {
		gb := l.events * kilobyte / gigabyte
		return hours*kinesisHour.dollar + gb*(kinesisIn.dollar+kinesisOut.dollar)
	}},
	{"Lambda", "events × 8.7 ms × memory (0.5 GB, or two versions ÷ 0.6) + events ÷ 10 requests", func(l load) float64 {
		return l.events*listSeconds*l.functionMemory()*lambdaTime.dollar + l.events/batch*lambdaRequest.dollar
	}},
	{"Firehose", "events × (5 KB event + 5 KB list)", func(l load) float64 {
		return l.events * 2 * 5 * kilobyte / gigabyte * firehoseIn.dollar
	}},
	{"Glue", "trainings × (2 min + pairs × 156 µs ÷ 4 ÷ workers ÷ 0.5) × workers", func(l load) float64 {
		return l.trainings * l.glueSeconds() / 3600 * l.workers * glueHour.dollar
	}},
	{"RDS", "instance × zones with an instance", func(l load) float64 {
		return hours * l.instance.dollar * l.zones
	}},
	{"RDS storage and backups", "disk × zones + backups of the same size", func(l load) float64 {
		return l.disk * (rdsStorage.dollar*l.zones + rdsBackup.dollar)
	}},
	{"Fargate", "API tasks × (0.5 vCPU + 1 GB, or two versions ÷ 0.6 in whole GB) + a worker of 1 vCPU and 4 GB", func(l load) float64 {
		tasks := l.apiTasks()
		return hours * ((tasks*taskCPU+workerCPU)*fargateCPU.dollar + (tasks*l.taskMemory()+workerMemory)*fargateMemory.dollar)
	}},
	{"Load balancer", "hours + the larger of one unit per GB and one unit per hour", func(l load) float64 {
		gb := (l.requests*listBytes + l.events*eventBytes) / gigabyte
		return hours*balancerHour.dollar + max(hours, gb)*balancerUnit.dollar
	}},
	{"NAT", "1 gateway; only Temporal's traffic, 1 GB", func(load) float64 {
		return hours*natHour.dollar + natTraffic.dollar
	}},
	{"Endpoints", "8 endpoints × 2 zones + events × 2.4 KB (in, to Firehose, logs)", func(l load) float64 {
		gb := l.events * (eventBytes*2 + listBytes + logBytes/batch) / gigabyte
		return hours*endpoints*zonesOfVPC*endpointHour.dollar + gb*endpointGB.dollar
	}},
	{"KMS", "1 key + 2 requests per object (the streams and the bucket reuse their data keys)", func(load) float64 {
		return keyMonth.dollar + 2*3*objectsHour*hours*keyUse.dollar
	}},
	{"CloudWatch", "50 metrics, 36 metrics with an alarm, a dashboard; logs of 1.6 KB per invocation and 2 bytes of flow log per event or request", func(l load) float64 {
		gb := (l.events/batch*logBytes + (l.events+l.requests)*flowBytes) / gigabyte
		return metrics*metric.dollar + alarmMetrics*alarm.dollar + dashboard.dollar + gb*logs.dollar
	}},
	{"S3", "a year of lists and raw events, gzip, three months of trainings; one object per minute and stream", func(l load) float64 {
		gb := l.events*(eventBytes+listBytes)*packed*monthsOfRaw/gigabyte + monthsKept*l.trainings*l.embeddingsGB()
		return gb*s3Storage.dollar + 3*objectsHour*hours*s3Put.dollar
	}},
	{"Secrets, images", "2 secrets, 0.2 GB", func(load) float64 {
		return secrets*secret.dollar + imagesGB*images.dollar
	}},
	{"Temporal Cloud", "plan + actions above a million: 100 per refresh, 30 per minute of it, the hourly sweep", func(l load) float64 {
		actions := l.trainings*(runActions+beatsMinute*l.glueSeconds()/60) + sweepActions
		return temporalPlan.dollar + max(0, actions-1e6)*temporalAction.dollar
	}},
}

var personalize = []component{
	{"data in", "events × 300 bytes", func(l load) float64 {
		return l.events * eventBytes / gigabyte * personalizeData.dollar
	}},
	{"training", "trainings × pairs × 156 µs ÷ 4 vCPU, in whole hours", func(l load) float64 {
		return l.trainings * math.Ceil(l.pairs*pairSeconds/4/3600) * personalizeTrain.dollar
	}},
	{"requests", "the larger of requests and one a second, by tiers", func(l load) float64 {
		return personalizeRequests(max(l.requests, hours*3600))
	}},
}

// personalizeRequests is the price of a month's requests, tier by tier.
func personalizeRequests(count float64) float64 {
	first := min(count, 72e6)
	second := min(max(0, count-72e6), 648e6)
	third := max(0, count-720e6)
	return first*personalizeFirst.dollar + second*personalizeSecond.dollar + third*personalizeThird.dollar
}

// total returns the total monthly cost.
func total(components []component, l load) (sum float64) {
	for _, c := range components {
		sum += c.cost(l)
	}
	return sum
}
