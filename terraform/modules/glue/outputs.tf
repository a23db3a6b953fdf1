output "job_name" {
  description = "Name of the job: RECFLOW_GLUE_JOB."
  value       = aws_glue_job.this.name
}

output "job_arn" {
  description = "ARN of the job."
  value       = aws_glue_job.this.arn
}

output "role_arn" {
  description = "ARN of the job's role."
  value       = aws_iam_role.this.arn
}

output "policy_json" {
  description = "Policy of the job's role."
  value       = data.aws_iam_policy_document.this.json
}

output "log_groups" {
  description = "Names of the job's log groups: error and output."
  value       = { for kind, group in aws_cloudwatch_log_group.this : kind => group.name }
}

output "catalog_database" {
  description = "Database with the tables recommendations, lists, events and quarantine. Null without a catalog."
  value       = var.catalog ? aws_glue_catalog_database.this[0].name : null
}
