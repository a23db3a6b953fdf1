# One page: the stream on top, the batch side below it, then their shared dependencies.

locals {
  consoles = { aws = "console.aws.amazon.com", aws-cn = "console.amazonaws.cn", aws-us-gov = "console.amazonaws-us-gov.com" }
  console  = lookup(local.consoles, data.aws_partition.current.partition, local.consoles.aws)
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.name_prefix
  # Decoded and encoded again, so that a syntax error in the template fails the plan.
  dashboard_body = jsonencode(jsondecode(templatefile("${path.module}/dashboard.json.tftpl", {
    region        = data.aws_region.current.name
    installation  = local.worker_dimensions.installation
    function_name = var.function_name
    mapping_uuid  = var.mapping_uuid
    stream_name   = var.stream_name
    firehose      = var.firehose_names
    job           = var.glue_job_name
    rule          = local.glue_rule
    database      = var.database_instance_id
    cluster       = var.cluster_name
    services      = var.service_names
    balancer      = var.load_balancer_arn_suffix
    target        = var.target_group_arn_suffix
    timeout_ms    = var.function_timeout_seconds * 1000
    margin        = var.stored_margin_seconds
    iterator_ms   = var.thresholds.iterator_age_seconds * 1000
    latency       = var.thresholds.api_latency_seconds
    promotion     = var.thresholds.promotion_days
    alarms        = [for key in sort(keys(local.alarms)) : aws_cloudwatch_metric_alarm.this[key].arn]
  })))
}
