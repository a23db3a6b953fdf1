output "region" {
  description = "AWS region."
  value       = module.recflow.region
}

output "name_prefix" {
  description = "Prefix of all resource names."
  value       = module.recflow.name_prefix
}

output "bucket" {
  description = "The bucket of raw/, embeddings/, recommendations/, lists/ and quarantine/."
  value       = module.recflow.bucket
}

output "stream" {
  description = "Name of the Kinesis stream that receives events."
  value       = module.recflow.stream
}

output "stream_arn" {
  description = "ARN of the stream."
  value       = module.recflow.stream_arn
}

output "delivery_streams" {
  description = "Names of the delivery streams: recommendations, events, quarantine."
  value       = module.recflow.delivery_streams
}

output "function" {
  description = "Name of the Lambda function."
  value       = module.recflow.function
}

output "mapping_uuid" {
  description = "ID of the event source mapping."
  value       = module.recflow.mapping_uuid
}

output "failure_prefix" {
  description = "s3:// address of discarded batches."
  value       = module.recflow.failure_prefix
}

output "glue_job" {
  description = "Name of the training job."
  value       = module.recflow.glue_job
}

output "catalog_database" {
  description = "Database of the Athena tables."
  value       = module.recflow.catalog_database
}

output "cluster" {
  description = "Name of the ECS cluster."
  value       = module.recflow.cluster
}

output "services" {
  description = "Names of the ECS services: worker, api."
  value       = module.recflow.services
}

output "repositories" {
  description = "Repository URLs of the images: worker, api, admin."
  value       = module.recflow.repositories
}

output "api_url" {
  description = "Address of the API."
  value       = module.recflow.api_url
}

output "load_balancer" {
  description = "Name of the load balancer, for the DNS record of api.domain."
  value       = module.recflow.load_balancer
}

output "temporal_ui" {
  description = "Address of the Temporal UI."
  value       = module.recflow.temporal_ui
}

output "topic_arn" {
  description = "SNS topic of alarms and refresh outcomes."
  value       = module.recflow.topic_arn
}

output "dashboard_url" {
  description = "Address of the dashboard."
  value       = module.recflow.dashboard_url
}

output "alarm_names" {
  description = "Name of each alarm by its key. The runbook of a key is docs/runbooks/KEY.md."
  value       = module.recflow.alarm_names
}

output "rule_names" {
  description = "Name of each EventBridge rule that notifies the topic of an event, by its key. The runbook of a key is docs/runbooks/KEY.md."
  value       = module.recflow.rule_names
}

output "roles" {
  description = "ARN of each component's role."
  value       = module.recflow.roles
}

output "database_host" {
  description = "Host name of the database."
  value       = module.recflow.database_host
}

output "migrate_task" {
  description = "Command that runs the migrations. Push the admin image first. Run it again at each upgrade, before the services are updated."
  value       = module.recflow.migrate_task
}

output "next_steps" {
  description = "Commands to run next."
  value       = module.recflow.next_steps
}
