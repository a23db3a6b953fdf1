output "region" {
  description = "AWS region."
  value       = data.aws_region.current.name
}

output "name_prefix" {
  description = "Prefix of all resource names."
  value       = var.name_prefix
}

output "bucket" {
  description = "The bucket of raw/, embeddings/, recommendations/, lists/ and quarantine/."
  value       = module.storage.bucket.name
}

output "stream" {
  description = "Name of the Kinesis stream that receives events."
  value       = module.stream.name
}

output "stream_arn" {
  description = "ARN of the stream."
  value       = module.stream.arn
}

output "delivery_streams" {
  description = "Names of the delivery streams: recommendations, events, quarantine."
  value       = module.firehose.names
}

output "function" {
  description = "Name of the Lambda function."
  value       = module.lambda.function_name
}

output "mapping_uuid" {
  description = "ID of the event source mapping."
  value       = module.lambda.mapping_uuid
}

output "failure_prefix" {
  description = "s3:// address of discarded batches."
  value       = module.lambda.failure_prefix
}

output "glue_job" {
  description = "Name of the training job."
  value       = module.glue.job_name
}

output "catalog_database" {
  description = "Database of the Athena tables."
  value       = module.glue.catalog_database
}

output "cluster" {
  description = "Name of the ECS cluster."
  value       = module.services.cluster_name
}

output "services" {
  description = "Names of the ECS services: worker, api."
  value       = { worker = module.services.worker_service, api = module.services.api_service }
}

output "repositories" {
  description = "Repository URLs of the images: worker, api, admin."
  value       = module.services.repositories
}

output "api_url" {
  description = "Address of the API."
  value       = module.services.api_url
}

output "load_balancer" {
  description = "Name of the load balancer, for the DNS record of api.domain."
  value       = module.services.load_balancer_dns_name
}

output "temporal_ui" {
  description = "Address of the Temporal UI."
  value       = var.temporal.ui
}

output "topic_arn" {
  description = "SNS topic of alarms and refresh outcomes."
  value       = module.observability.topic_arn
}

output "dashboard_url" {
  description = "Address of the dashboard."
  value       = module.observability.dashboard_url
}

output "alarm_names" {
  description = "Name of each alarm by its key. The runbook of a key is docs/runbooks/KEY.md."
  value       = module.observability.alarm_names
}

output "rule_names" {
  description = "Name of each EventBridge rule that notifies the topic of an event, by its key. The runbook of a key is docs/runbooks/KEY.md."
  value       = module.observability.rule_names
}

output "roles" {
  description = "ARN of each component's role."
  value = {
    lambda   = module.lambda.role_arn
    worker   = module.services.roles.worker.arn
    api      = module.services.roles.api.arn
    admin    = module.services.roles.admin.arn
    glue     = module.glue.role_arn
    firehose = module.firehose.role_arn
  }
}

output "database_host" {
  description = "Host name of the database."
  value       = module.database.host
}

output "migrate_task" {
  description = "Command that runs the migrations. Push the admin image first. Run it again at each upgrade, before the services are updated."
  value = join(" ", [
    "aws ecs run-task --region ${data.aws_region.current.name} --cluster ${module.services.cluster_name} --launch-type FARGATE",
    "--task-definition ${module.services.migrate_task_definition}",
    "--network-configuration 'awsvpcConfiguration={subnets=[${join(",", module.network.private_subnet_ids)}],securityGroups=[${module.network.security_group_ids.admin}]}'",
  ])
}

output "next_steps" {
  description = "Commands to run next."
  value       = <<-EOT
    1. Migrate the database:     terraform output -raw migrate_task | sh
    2. Check the installation:   terraform output -json | recflow doctor --aws -
    3. Create a token:           docs/deploy.md, "The first token"; then export RECFLOW_API_URL=${module.services.api_url} RECFLOW_API_TOKEN=rf_…
    4. Send a first event:       curl -X POST ${module.services.api_url}/events -H "Authorization: Bearer $RECFLOW_API_TOKEN" -H 'Content-Type: application/json' -d '{"events":[{"user_id":"me","item_id":"1","event_type":"click"}]}'
    5. Start a first backfill:   recflow backfill start refresh --promote --wait
    Dashboard:                   ${module.observability.dashboard_url}
    Temporal UI:                 ${var.temporal.ui == "" ? "temporal.ui is not set" : var.temporal.ui}
  EOT
}

data "aws_region" "current" {}
