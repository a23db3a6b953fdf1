# Task definitions. Every container runs as an unprivileged user, on a read-only root
# file system, without Linux capabilities.

locals {
  api_port    = 14570
  health_port = 14580
  kill_after  = 120 # seconds; Fargate's maximum stopTimeout

  mtls = var.temporal.tls_cert_secret_arn != null

  temporal_environment = {
    RECFLOW_TEMPORAL_ADDRESS   = var.temporal.address
    RECFLOW_TEMPORAL_NAMESPACE = var.temporal.namespace
    RECFLOW_TEMPORAL_UI        = var.temporal.ui
    RECFLOW_TASK_QUEUE         = var.temporal.task_queue
    TEMPORAL_TLS               = tostring(var.temporal.tls || local.mtls || var.temporal.api_key_secret_arn != null || var.temporal.tls_ca_secret_arn != null)
  }
  temporal_secrets = {
    for name, arn in {
      TEMPORAL_API_KEY                 = var.temporal.api_key_secret_arn
      TEMPORAL_TLS_CLIENT_CERT_DATA    = var.temporal.tls_cert_secret_arn
      TEMPORAL_TLS_CLIENT_KEY_DATA     = var.temporal.tls_key_secret_arn
      TEMPORAL_TLS_SERVER_CA_CERT_DATA = var.temporal.tls_ca_secret_arn
    } : name => arn if arn != null
  }

  by_password = var.database.auth == "password"

  # Settings read by internal/config (ReadWorker, ReadAPI); the SDK reads AWS_REGION.
  environment = {
    worker = merge(var.worker.environment, local.temporal_environment, {
      AWS_REGION                    = data.aws_region.current.name
      RECFLOW_BUCKET                = var.bucket.name
      RECFLOW_DATABASE_AUTH         = var.database.auth
      RECFLOW_DATABASE_URL          = var.database.urls.loader
      RECFLOW_DRAIN_TIMEOUT         = "${var.worker.drain_seconds}s"
      RECFLOW_EVENT_RETENTION       = "${var.event_retention_hours}h"
      RECFLOW_GLUE_JOB              = var.glue_job.name
      RECFLOW_GLUE_POLL             = "15s"
      RECFLOW_INSTALLATION          = var.name_prefix # dimension of the metric of the alarm no-promotion
      RECFLOW_METRICS               = "emf"
      RECFLOW_OUTCOMES_TOPIC        = var.outcomes_topic_arn == null ? "" : var.outcomes_topic_arn
      RECFLOW_STORED_MARGIN         = "${var.stored_margin_seconds}s"
      RECFLOW_WORKER_HEALTH_ADDRESS = "127.0.0.1:${local.health_port}"
    })
    api = merge(var.api.environment, local.temporal_environment, {
      AWS_REGION                = data.aws_region.current.name
      RECFLOW_API_ADDRESS       = "0.0.0.0:${local.api_port}"
      RECFLOW_API_AUTH          = "token"
      RECFLOW_API_DRAIN_TIMEOUT = "${var.api.drain_seconds}s"
      RECFLOW_BUCKET            = var.bucket.name
      RECFLOW_DATABASE_AUTH     = var.database.auth
      RECFLOW_DATABASE_URL      = var.database.urls.api
      RECFLOW_SEARCH            = var.search
      RECFLOW_STREAM            = var.stream.name
    })
    admin = {
      AWS_REGION            = data.aws_region.current.name
      RECFLOW_DATABASE_AUTH = "password"
      RECFLOW_DATABASE_URL  = var.database.urls.owner
    }
  }

  # Names and ARNs only: the container agent reads the values when a task starts.
  secrets = {
    worker = merge(local.temporal_secrets, local.by_password ? { RECFLOW_DATABASE_PASSWORD = var.database.password_secret_arns.loader } : {})
    api    = merge(local.temporal_secrets, local.by_password ? { RECFLOW_DATABASE_PASSWORD = var.database.password_secret_arns.api } : {})
    admin  = { RECFLOW_DATABASE_PASSWORD = "${var.database.master_secret_arn}:password::" }
  }

  # Common settings of all containers.
  container = {
    for name in local.components : name => {
      name                   = name
      image                  = local.images[name]
      essential              = true
      user                   = "65532:65532"
      privileged             = false
      readonlyRootFilesystem = true
      linuxParameters        = { capabilities = { drop = ["ALL"] }, initProcessEnabled = false }
      environment            = [for key in sort(keys(local.environment[name])) : { name = key, value = local.environment[name][key] }]
      secrets                = [for key in sort(keys(local.secrets[name])) : { name = key, valueFrom = local.secrets[name][key] }]

      logConfiguration = {
        logDriver = "awslogs"
        options = {
          awslogs-group         = aws_cloudwatch_log_group.this[name].name
          awslogs-region        = data.aws_region.current.name
          awslogs-stream-prefix = name
        }
      }
    }
  }

  health_check = { interval = 15, timeout = 5, retries = 3, startPeriod = 60 }
}

resource "aws_ecs_task_definition" "worker" {
  family                   = "${var.name_prefix}-worker"
  skip_destroy             = true # ECS rolls back to an active revision only
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.worker.cpu
  memory                   = var.worker.memory
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.task["worker"].arn

  container_definitions = jsonencode([merge(local.container["worker"], {
    memory = var.worker.memory # the limit that the process sees
    # Embeddings are downloaded to /tmp before they are verified and loaded. The image
    # declares the volume, which makes the user its owner.
    mountPoints = [{ sourceVolume = "tmp", containerPath = "/tmp", readOnly = false }]
    healthCheck = merge(local.health_check, { command = ["CMD", "/recflow-worker", "health"] })
    stopTimeout = min(local.kill_after, var.worker.drain_seconds + 15)
  })])

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = upper(var.architecture)
  }

  ephemeral_storage {
    size_in_gib = var.worker.scratch_gib
  }

  volume {
    name = "tmp"
  }
}

resource "aws_ecs_task_definition" "api" {
  family                   = "${var.name_prefix}-api"
  skip_destroy             = true # ECS rolls back to an active revision only
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.api.cpu
  memory                   = var.api.memory
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.task["api"].arn

  container_definitions = jsonencode([merge(local.container["api"], {
    memory       = var.api.memory # the limit that the process sees
    portMappings = [{ containerPort = local.api_port, hostPort = local.api_port, protocol = "tcp" }]
    healthCheck  = merge(local.health_check, { command = ["CMD", "/recflow-api", "health"] })
    stopTimeout  = min(local.kill_after, var.api.drain_seconds + 15)
  })])

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = upper(var.architecture)
  }
}

# Run manually at each release: the README has the command.
resource "aws_ecs_task_definition" "migrate" {
  family                   = "${var.name_prefix}-migrate"
  skip_destroy             = true # ECS rolls back to an active revision only
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 256
  memory                   = 512
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.task["admin"].arn

  container_definitions = jsonencode([merge(local.container["admin"], {
    command     = ["database", "migrate"]
    stopTimeout = local.kill_after
  })])

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = upper(var.architecture)
  }
}
