output "host" {
  description = "Host name."
  value       = local.host
}

output "port" {
  description = "TCP port."
  value       = local.port
}

output "name" {
  description = "Name of the database."
  value       = local.name
}

output "instance_id" {
  description = "Identifier of the instance, for metrics. Null for an existing database without an instance name."
  value       = local.instance_id
}

output "resource_id" {
  description = "Resource ID in the ARNs of IAM authentication."
  value       = local.resource_id
}

output "master_secret_arn" {
  description = "Secret with the keys username and password of the owner. RDS rotates the password; only the migrations read it."
  value       = local.master_secret_arn
}

output "url_template" {
  description = "Address template for format(): the user, and the path of the RDS certificates. It contains no password."
  value       = local.url_template
}

output "urls" {
  description = "Address of each user: owner, loader, stream, api, auditor. None contains a password."
  value       = { for user, path in local.ca_paths : user => format(local.url_template, "recflow_${user}", path) }
}

output "connect_arns" {
  description = "rds-db:connect resource of each user: loader, stream, api, auditor. Null without IAM authentication."
  value       = local.connect_arns
}

output "iam_authentication" {
  description = "Whether users authenticate with IAM."
  value       = local.iam
}
