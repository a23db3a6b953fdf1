output "vpc_id" {
  description = "The VPC, new or existing."
  value       = local.vpc_id
}

output "private_subnet_ids" {
  description = "Subnets of the Lambda, the services and the database."
  value       = local.private_subnet_ids
}

output "public_subnet_ids" {
  description = "Subnets of an internet-facing load balancer."
  value       = local.public_subnet_ids
}

output "security_group_ids" {
  description = "Security group of each component: lambda, worker, api, admin, database, load_balancer, endpoints."
  value       = { for name, group in aws_security_group.this : name => group.id }
}
