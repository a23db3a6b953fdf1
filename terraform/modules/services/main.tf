# The worker and the API on Fargate. Tasks are in tasks.tf, roles in roles.tf, the load
# balancer in load_balancer.tf, autoscaling in scaling.tf.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  components = toset(["worker", "api", "admin"])

  images = var.images != null ? var.images : {
    for name in local.components : name => "${try(aws_ecr_repository.this[name].repository_url, "")}:${coalesce(var.image_tag, "none")}"
  }

  # Services run only after the images were pushed and the database was migrated.
  counts = {
    worker = var.running ? { min = var.worker.min, max = var.worker.max } : { min = 0, max = 0 }
    api    = var.running ? { min = var.api.min, max = var.api.max } : { min = 0, max = 0 }
  }
}

resource "aws_ecr_repository" "this" {
  for_each = var.create_repositories ? local.components : toset([])

  name                 = "${var.name_prefix}/${each.key}"
  image_tag_mutability = "IMMUTABLE"
  force_delete         = var.force_destroy

  image_scanning_configuration {
    scan_on_push = true
  }

  encryption_configuration {
    encryption_type = "KMS"
    kms_key         = var.kms_key_arn
  }
}

resource "aws_ecr_lifecycle_policy" "this" {
  for_each = aws_ecr_repository.this

  repository = each.value.name
  policy = jsonencode({
    rules = [{
      rulePriority = 1
      description  = "Keep the last 20 releases, for rollbacks: each is an index and an image for each architecture"
      selection    = { tagStatus = "any", countType = "imageCountMoreThan", countNumber = 60 }
      action       = { type = "expire" }
    }]
  })
}

resource "aws_cloudwatch_log_group" "this" {
  for_each = local.components

  name              = "/${var.name_prefix}/${each.key}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_ecs_cluster" "this" {
  name = var.name_prefix

  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

# New tasks start before old ones drain, and a release whose tasks fail is rolled back.
resource "aws_ecs_service" "worker" {
  name            = "${var.name_prefix}-worker"
  cluster         = aws_ecs_cluster.this.arn
  task_definition = aws_ecs_task_definition.worker.arn
  desired_count   = local.counts.worker.min
  launch_type     = "FARGATE"
  propagate_tags  = "SERVICE"

  # An apply fails if the new tasks do not stay up.
  wait_for_steady_state = var.running

  # An activity that moves to another worker starts again.
  availability_zone_rebalancing = "DISABLED"

  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = var.network.private_subnet_ids
    security_groups  = [var.network.security_group_ids.worker]
    assign_public_ip = false
  }

  lifecycle {
    ignore_changes = [desired_count] # managed by autoscaling
  }

  depends_on = [aws_iam_role_policy.execution, aws_iam_role_policy.worker]
}

resource "aws_ecs_service" "api" {
  name            = "${var.name_prefix}-api"
  cluster         = aws_ecs_cluster.this.arn
  task_definition = aws_ecs_task_definition.api.arn
  desired_count   = local.counts.api.min
  launch_type     = "FARGATE"
  propagate_tags  = "SERVICE"

  # An apply fails if the new tasks do not stay up.
  wait_for_steady_state = var.running

  # Rebalance tasks after a zone outage.
  availability_zone_rebalancing = "ENABLED"

  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  health_check_grace_period_seconds  = 60

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = var.network.private_subnet_ids
    security_groups  = [var.network.security_group_ids.api]
    assign_public_ip = false
  }

  load_balancer {
    target_group_arn = aws_lb_target_group.api.arn
    container_name   = "api"
    container_port   = local.api_port
  }

  lifecycle {
    ignore_changes = [desired_count] # managed by autoscaling
  }

  depends_on = [aws_iam_role_policy.execution, aws_iam_role_policy.api, aws_lb_listener.https]
}
