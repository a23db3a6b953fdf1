# Alarms: each has a key, its runbook is docs/runbooks/KEY.md. The alarms are defined in
# alarms_*.tf, as data; here they become resources.

locals {
  alarms = merge(local.stream_alarms, local.batch_alarms, local.database_alarms, local.api_alarms)

  alarm_names = { for key, alarm in aws_cloudwatch_metric_alarm.this : key => alarm.alarm_name }
  rule_names  = { glue-failures = aws_cloudwatch_event_rule.glue.name }
}

# An alarm compares one expression over some metrics with a threshold.
resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name        = "${var.name_prefix}-${each.key}"
  alarm_description = "${each.value.description} Runbook: docs/runbooks/${each.key}.md"
  # Before the first start there is nothing that could write the metric of an alarm for
  # which missing data is a failure.
  actions_enabled = var.running || each.value.missing != "breaching"
  alarm_actions   = [aws_sns_topic.this.arn]
  ok_actions      = [aws_sns_topic.this.arn]

  comparison_operator = try(each.value.below, false) ? "LessThanThreshold" : "GreaterThanThreshold"
  threshold           = each.value.threshold
  datapoints_to_alarm = each.value.datapoints
  evaluation_periods  = each.value.of
  treat_missing_data  = each.value.missing

  metric_query {
    id          = "value"
    expression  = each.value.expression
    label       = each.key
    return_data = true
  }

  dynamic "metric_query" {
    for_each = each.value.metrics

    content {
      id          = metric_query.key
      return_data = false

      metric {
        namespace   = metric_query.value.namespace
        metric_name = metric_query.value.name
        dimensions  = metric_query.value.dimensions
        stat        = metric_query.value.stat
        period      = each.value.period
      }
    }
  }
}
