output "topic_arn" {
  description = "SNS topic of alarms and refresh outcomes."
  value       = aws_sns_topic.this.arn
}

output "dashboard_name" {
  description = "Name of the dashboard."
  value       = aws_cloudwatch_dashboard.this.dashboard_name
}

output "dashboard_url" {
  description = "Address of the dashboard."
  value       = "https://${data.aws_region.current.name}.${local.console}/cloudwatch/home?region=${data.aws_region.current.name}#dashboards/dashboard/${aws_cloudwatch_dashboard.this.dashboard_name}"
}

output "alarm_names" {
  description = "Name of each alarm by its key. The runbook of a key is docs/runbooks/KEY.md."
  value       = local.alarm_names
}

output "rule_names" {
  description = "Name of each EventBridge rule that notifies the topic of an event, by its key. The runbook of a key is docs/runbooks/KEY.md."
  value       = local.rule_names
}
