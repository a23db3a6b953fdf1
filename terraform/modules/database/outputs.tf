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
  description = "Identifier of the instance, for metrics. Null for a database of yours that names none."
  value       = local.instance_id
}

output "resource_id" {
  description = "Resource id in the ARNs of IAM authentication."
  value       = local.resource_id
}

output "master_secret_arn" {
  description = "Secret with the keys username and password of the owner. RDS changes the password; only the migrations read it."
  value       = local.master_secret_arn
}

output "url_template" {
  description = "Address for format(): the user, and the path of the certificates of RDS. It has no password."
  value       = local.url_template
}

output "urls" {
  description = "Address of each user: owner, loader, stream, api, auditor. None has a password."
  value       = { for user, path in local.ca_paths : user => format(local.url_template, "recflow_${user}", path) }
}

output "connect_arns" {
  description = "rds-db:connect resource of each user: loader, stream, api, auditor. Null without IAM authentication."
  value       = local.connect_arns
}

output "iam_authentication" {
  description = "Whether users sign in with IAM."
  value       = local.iam
}

output "replica_hosts" {
  description = "Host names of the read replicas."
  value       = aws_db_instance.replica[*].address
}
