output "cluster_name" {
  description = "The ECS cluster."
  value       = aws_ecs_cluster.this.name
}

output "api_url" {
  description = "Address of the API."
  value       = "https://${coalesce(var.api_domain, aws_lb.api.dns_name)}"
}

output "load_balancer_dns_name" {
  description = "Target of api_domain's DNS record."
  value       = aws_lb.api.dns_name
}

output "worker_service" {
  description = "Name of the worker's service."
  value       = aws_ecs_service.worker.name
}

output "api_service" {
  description = "Name of the API's service."
  value       = aws_ecs_service.api.name
}

output "migrate_task_definition" {
  description = "Task definition of the migrations, to be run at each release."
  value       = aws_ecs_task_definition.migrate.arn
}

output "roles" {
  description = "Role of each component: worker, api, admin."
  value = {
    for name, document in {
      worker = data.aws_iam_policy_document.worker.json
      api    = data.aws_iam_policy_document.api.json
      # The migrations make no AWS calls.
      admin = jsonencode({ Version = "2012-10-17", Statement = [] })
      } : name => {
      arn         = aws_iam_role.task[name].arn
      name        = aws_iam_role.task[name].name
      policy_json = document
    }
  }
}

output "execution_role" {
  description = "Role of the container agent."
  value = {
    arn         = aws_iam_role.execution.arn
    name        = aws_iam_role.execution.name
    policy_json = data.aws_iam_policy_document.execution.json
  }
}

output "load_balancer_arn_suffix" {
  description = "Metric dimension of the load balancer."
  value       = aws_lb.api.arn_suffix
}

output "target_group_arn_suffix" {
  description = "Metric dimension of the API's target group."
  value       = aws_lb_target_group.api.arn_suffix
}

output "log_groups" {
  description = "Log group of each component: worker, api, admin."
  value       = { for name, group in aws_cloudwatch_log_group.this : name => group.name }
}

output "repositories" {
  description = "Repository URL of each image: worker, api, admin. Empty without create_repositories."
  value       = { for name, repository in aws_ecr_repository.this : name => repository.repository_url }
}

output "images" {
  description = "Image references of the running services."
  value       = local.images
}
