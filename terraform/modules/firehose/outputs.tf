output "names" {
  description = "Names of the delivery streams: RECFLOW_FIREHOSE_RECOMMENDATIONS, _EVENTS and _QUARANTINE."
  value       = { for key, stream in aws_kinesis_firehose_delivery_stream.this : key => stream.name }
}

output "arns" {
  description = "ARNs of the delivery streams, with the keys of names."
  value       = { for key, stream in aws_kinesis_firehose_delivery_stream.this : key => stream.arn }
}

output "role_arn" {
  description = "ARN of the role that Firehose assumes."
  value       = aws_iam_role.this.arn
}

output "policy_json" {
  description = "Policy of that role."
  value       = data.aws_iam_policy_document.this.json
}
