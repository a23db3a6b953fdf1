package main

// trust is how reliable a price is.
type trust string

const (
	official   trust = "official"   // shown on a stored copy of a page of the seller
	secondary  trust = "secondary"  // shown on another site's dated page
	unverified trust = "unverified" // from memory: no page with the number was found
)

// price is what one unit costs in us-east-1, in US dollars, without taxes,
// discounts and free tiers.
type price struct {
	name   string
	dollar float64
	unit   string
	trust  trust
	source string // the page that shows it, or should be checked
	dated  string // of the page or of its copy; empty for unverified ones
}

const (
	kinesisPage     = "aws.amazon.com/kinesis/data-streams/pricing"
	lambdaPage      = "aws.amazon.com/lambda/pricing"
	firehosePage    = "aws.amazon.com/firehose/pricing"
	rdsPage         = "aws.amazon.com/rds/postgresql/pricing"
	fargatePage     = "aws.amazon.com/fargate/pricing"
	cloudwatchPage  = "aws.amazon.com/cloudwatch/pricing"
	s3Page          = "aws.amazon.com/s3/pricing"
	balancerPage    = "aws.amazon.com/elasticloadbalancing/pricing"
	vpcPage         = "aws.amazon.com/vpc/pricing"
	temporalPage    = "docs.temporal.io/cloud/pricing"
	personalizePage = "aws.amazon.com/personalize/pricing"
	personalizeNote = personalizePage + ", as quoted in a public course on AWS"
)

// The prices. checked is the date of the last check.
const checked = "25 November 2026"

var (
	kinesisHour = price{"Kinesis on demand, a stream", 0.04, "hour", unverified, kinesisPage, ""}
	kinesisIn   = price{"Kinesis on demand, in; records round up to 1 KB", 0.08, "GB", unverified, kinesisPage, ""}
	kinesisOut  = price{"Kinesis on demand, out", 0.04, "GB", unverified, kinesisPage, ""}

	lambdaTime    = price{"Lambda arm64", 0.0000133334, "GB-second", secondary, "cloudchipr.com/blog/aws-lambda-pricing", "2024"}
	lambdaRequest = price{"Lambda, a request", 0.20 / 1e6, "request", secondary, "git.mcrn.ar/mariano/lambda_local_runner", "May 2026"}

	firehoseIn = price{"Firehose, in; records round up to 5 KB", 0.029, "GB", unverified, firehosePage, ""}

	glueHour = price{"Glue, Spark", 0.44, "DPU-hour", official, "aws.amazon.com/glue/pricing", "undated copy"}

	rdsT4gMedium   = price{"RDS PostgreSQL db.t4g.medium, one zone", 0.065, "hour", secondary, "infratally.com/articles/aws-rds-pricing-explained-2026.html", "2026"}
	rdsR7gXlarge   = price{"RDS PostgreSQL db.r7g.xlarge, one zone", 0.478, "hour", unverified, rdsPage, ""}
	rdsR7g4xlarge  = price{"RDS PostgreSQL db.r7g.4xlarge, one zone", 1.912, "hour", unverified, rdsPage, ""}
	rdsStorage     = price{"RDS gp3 storage, one zone", 0.115, "GB-month", secondary, "usage.ai/blogs/aws/reserved-instances/rds/pricing-calculator", "June 2026"}
	rdsBackup      = price{"RDS backups above the size of the database", 0.095, "GB-month", secondary, "usage.ai/blogs/aws/reserved-instances/rds/pricing-calculator", "June 2026"}
	fargateCPU     = price{"Fargate arm64", 0.03238, "vCPU-hour", unverified, fargatePage, ""}
	fargateMemory  = price{"Fargate arm64", 0.00356, "GB-hour", unverified, fargatePage, ""}
	balancerHour   = price{"Application load balancer", 0.0225, "hour", unverified, balancerPage, ""}
	balancerUnit   = price{"Application load balancer, capacity unit", 0.008, "hour", unverified, balancerPage, ""}
	natHour        = price{"NAT gateway", 0.045, "hour", secondary, "fortem.dev/blog/aws-fargate-pricing-real-costs", "2026"}
	natTraffic     = price{"NAT gateway", 0.045, "GB", unverified, vpcPage, ""}
	endpointHour   = price{"Interface endpoint, a zone", 0.01, "hour", secondary, "awsnegotiations.com/privatelink-cost-analysis.html", "May 2026"}
	endpointGB     = price{"Interface endpoint", 0.01, "GB", official, "aws.amazon.com/privatelink/pricing", "undated copy"}
	keyMonth       = price{"KMS key", 1, "month", unverified, "aws.amazon.com/kms/pricing", ""}
	keyUse         = price{"KMS requests", 0.03 / 10_000, "request", unverified, "aws.amazon.com/kms/pricing", ""}
	metric         = price{"CloudWatch custom metric", 0.30, "month", secondary, "signoz.io/guides/cloudwatch-pricing", "February 2026"}
	alarm          = price{"CloudWatch alarm, a metric of it", 0.10, "month", unverified, cloudwatchPage, ""}
	dashboard      = price{"CloudWatch dashboard", 3, "month", secondary, "factualminds.com/blog/amazon-cloudwatch-pricing-metrics-logs-alarms-dashboards", "June 2026"}
	logs           = price{"CloudWatch logs, in", 0.50, "GB", secondary, "factualminds.com/blog/amazon-cloudwatch-pricing-metrics-logs-alarms-dashboards", "June 2026"}
	s3Storage      = price{"S3 standard", 0.023, "GB-month", unverified, s3Page, ""}
	s3Put          = price{"S3 PUT", 0.005 / 1000, "request", unverified, s3Page, ""}
	secret         = price{"Secrets Manager", 0.40, "secret and month", unverified, "aws.amazon.com/secrets-manager/pricing", ""}
	images         = price{"ECR storage", 0.10, "GB-month", unverified, "aws.amazon.com/ecr/pricing", ""}
	temporalPlan   = price{"Temporal Cloud Essentials, with 1 million actions", 100, "month", unverified, temporalPage, ""}
	temporalAction = price{"Temporal Cloud, an action above those", 50 / 1e6, "action", unverified, temporalPage, ""}

	personalizeData   = price{"Personalize, data in", 0.05, "GB", secondary, personalizeNote, "2026"}
	personalizeTrain  = price{"Personalize, training (4 vCPU, 8 GiB)", 0.24, "hour", secondary, personalizeNote, "2026"}
	personalizeFirst  = price{"Personalize, first 72 million requests a month", 0.0556 / 1000, "request", secondary, personalizeNote, "2026"}
	personalizeSecond = price{"Personalize, next 648 million", 0.0278 / 1000, "request", secondary, personalizeNote, "2026"}
	personalizeThird  = price{"Personalize, above 720 million", 0.0139 / 1000, "request", secondary, personalizeNote, "2026"}
)

// prices are all prices, in the order of the document.
var prices = []price{
	kinesisHour, kinesisIn, kinesisOut, lambdaTime, lambdaRequest, firehoseIn, glueHour,
	rdsT4gMedium, rdsR7gXlarge, rdsR7g4xlarge, rdsStorage, rdsBackup, fargateCPU, fargateMemory,
	balancerHour, balancerUnit, natHour, natTraffic, endpointHour, endpointGB, keyMonth, keyUse,
	metric, alarm, dashboard, logs, s3Storage, s3Put, secret, images, temporalPlan, temporalAction,
	personalizeData, personalizeTrain, personalizeFirst, personalizeSecond, personalizeThird,
}
