output "function_name" {
  description = "Name of the function."
  value       = aws_lambda_function.this.function_name
}

output "function_arn" {
  description = "ARN of the function."
  value       = aws_lambda_function.this.arn
}

output "role_arn" {
  description = "ARN of the function's role."
  value       = aws_iam_role.this.arn
}

output "role_name" {
  description = "Name of the function's role."
  value       = aws_iam_role.this.name
}

output "mapping_uuid" {
  description = "ID of the event source mapping: the dimension EventSourceMappingUUID of its metrics."
  value       = aws_lambda_event_source_mapping.this.uuid
}

output "policy_json" {
  description = "Policy of the function's role."
  value       = data.aws_iam_policy_document.this.json
}

output "log_group_name" {
  description = "Name of the function's log group."
  value       = aws_cloudwatch_log_group.this.name
}

output "failure_prefix" {
  description = "Key prefix of discarded batches."
  value       = "${local.failures}${aws_lambda_event_source_mapping.this.uuid}/"
}
