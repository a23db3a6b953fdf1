mock_provider "aws" {
  override_during = plan

  mock_data "aws_region" {
    defaults = { name = "eu-central-1" }
  }
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws", dns_suffix = "amazonaws.com" }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }
  mock_resource "aws_ecr_repository" {
    defaults = {
      arn            = "arn:aws:ecr:eu-central-1:123456789012:repository/recflow/x"
      repository_url = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/recflow/x"
    }
  }
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:x" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/x", id = "x" }
  }
  mock_resource "aws_ecs_cluster" {
    defaults = { arn = "arn:aws:ecs:eu-central-1:123456789012:cluster/recflow" }
  }
  mock_resource "aws_ecs_task_definition" {
    defaults = { arn = "arn:aws:ecs:eu-central-1:123456789012:task-definition/x:1" }
  }
  mock_resource "aws_lb" {
    defaults = {
      arn        = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/recflow-api/1"
      arn_suffix = "app/recflow-api/1"
      dns_name   = "internal-recflow-api-1.eu-central-1.elb.amazonaws.com"
    }
  }
  mock_resource "aws_lb_target_group" {
    defaults = {
      arn        = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/recflow-api/2"
      arn_suffix = "targetgroup/recflow-api/2"
    }
  }
}

variables {
  name_prefix = "recflow"
  image_tag   = "v1"
  network = {
    vpc_id             = "vpc-1"
    private_subnet_ids = ["subnet-a", "subnet-b"]
    public_subnet_ids  = ["subnet-c", "subnet-d"]
    egress             = "nat"
    security_group_ids = { worker = "sg-worker", api = "sg-api", admin = "sg-admin", load_balancer = "sg-lb" }
  }
  database = {
    urls = {
      owner  = "postgres://recflow_owner@db:5432/recflow?sslmode=verify-full&sslrootcert=/etc/recflow/rds-ca.pem"
      loader = "postgres://recflow_loader@db:5432/recflow?sslmode=verify-full&sslrootcert=/etc/recflow/rds-ca.pem"
      api    = "postgres://recflow_api@db:5432/recflow?sslmode=verify-full&sslrootcert=/etc/recflow/rds-ca.pem"
    }
    connect_arns = {
      loader = "arn:aws:rds-db:eu-central-1:123456789012:dbuser:db-1/recflow_loader"
      api    = "arn:aws:rds-db:eu-central-1:123456789012:dbuser:db-1/recflow_api"
    }
    master_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:rds!db-1"
  }
  temporal           = { address = "temporal.example.com:7233", namespace = "recflow" }
  stream             = { name = "recflow-events", arn = "arn:aws:kinesis:eu-central-1:123456789012:stream/recflow-events" }
  bucket             = { name = "recflow-bucket", arn = "arn:aws:s3:::recflow-bucket" }
  glue_job           = { name = "recflow-train", arn = "arn:aws:glue:eu-central-1:123456789012:job/recflow-train" }
  outcomes_topic_arn = "arn:aws:sns:eu-central-1:123456789012:recflow-alarms"
  kms_key_arn        = "arn:aws:kms:eu-central-1:123456789012:key/1"
  certificate_arn    = "arn:aws:acm:eu-central-1:123456789012:certificate/1"
  api_ingress_cidrs  = ["10.0.0.0/16"]
}

run "containers_have_no_root_no_capabilities_and_a_file_system_they_cannot_write" {
  command = plan

  assert {
    condition = alltrue([
      for definition in [
        aws_ecs_task_definition.worker.container_definitions,
        aws_ecs_task_definition.api.container_definitions,
        aws_ecs_task_definition.migrate.container_definitions,
      ] :
      jsondecode(definition)[0].user == "65532:65532" &&
      jsondecode(definition)[0].readonlyRootFilesystem &&
      !jsondecode(definition)[0].privileged &&
      jsondecode(definition)[0].linuxParameters.capabilities.drop == ["ALL"]
    ])
    error_message = "every container has only the permissions it needs"
  }
  assert {
    condition = (
      jsondecode(aws_ecs_task_definition.worker.container_definitions)[0].mountPoints == [{ containerPath = "/tmp", readOnly = false, sourceVolume = "tmp" }] &&
      toset([for volume in aws_ecs_task_definition.worker.volume : volume.name]) == toset(["tmp"]) &&
      aws_ecs_task_definition.worker.ephemeral_storage[0].size_in_gib == 30
    )
    error_message = "the worker can write downloads to /tmp, and nowhere else"
  }
  assert {
    condition = alltrue([
      for task in [aws_ecs_task_definition.worker, aws_ecs_task_definition.api, aws_ecs_task_definition.migrate] :
      task.runtime_platform[0].cpu_architecture == "ARM64" && task.network_mode == "awsvpc"
    ])
    error_message = "tasks run on ARM, with their own addresses"
  }
}

run "the_worker_reads_its_settings_from_the_environment" {
  command = plan

  variables {
    name_prefix           = "shop"
    stored_margin_seconds = 1800
    worker                = { environment = { RECFLOW_LOAD_PARALLEL = "4", RECFLOW_METRICS = "none" } }
  }

  assert {
    condition = tomap({ for e in jsondecode(aws_ecs_task_definition.worker.container_definitions)[0].environment : e.name => e.value }) == tomap({
      AWS_REGION                    = "eu-central-1"
      RECFLOW_BUCKET                = "recflow-bucket"
      RECFLOW_DATABASE_AUTH         = "iam"
      RECFLOW_DATABASE_URL          = "postgres://recflow_loader@db:5432/recflow?sslmode=verify-full&sslrootcert=/etc/recflow/rds-ca.pem"
      RECFLOW_DRAIN_TIMEOUT         = "90s"
      RECFLOW_EVENT_RETENTION       = "25h"
      RECFLOW_GLUE_JOB              = "recflow-train"
      RECFLOW_GLUE_POLL             = "15s"
      RECFLOW_INSTALLATION          = "shop"
      RECFLOW_LOAD_PARALLEL         = "4"
      RECFLOW_METRICS               = "emf"
      RECFLOW_OUTCOMES_TOPIC        = "arn:aws:sns:eu-central-1:123456789012:recflow-alarms"
      RECFLOW_STORED_MARGIN         = "1800s"
      RECFLOW_TASK_QUEUE            = "recflow"
      RECFLOW_TEMPORAL_ADDRESS      = "temporal.example.com:7233"
      RECFLOW_TEMPORAL_NAMESPACE    = "recflow"
      RECFLOW_TEMPORAL_UI           = ""
      RECFLOW_WORKER_HEALTH_ADDRESS = "127.0.0.1:14580"
      TEMPORAL_TLS                  = "false"
    })
    error_message = "the worker gets the settings of internal/config; the module's settings take precedence"
  }
  assert {
    condition = length(setsubtract(
      [for e in jsondecode(aws_ecs_task_definition.worker.container_definitions)[0].environment : e.name if startswith(e.name, "RECFLOW_")],
      flatten([
        for path in fileset("../../../internal/config", "*.go") :
        regexall("env:\"(RECFLOW_[A-Z_]+)\"", file("../../../internal/config/${path}"))
      ]),
    )) == 0
    error_message = "internal/config reads each of them"
  }
  assert {
    condition     = jsondecode(aws_ecs_task_definition.worker.container_definitions)[0].secrets == []
    error_message = "with IAM and without TLS there is no secret"
  }
}

run "the_api_reads_its_settings_from_the_environment" {
  command = plan

  assert {
    condition = tomap({ for e in jsondecode(aws_ecs_task_definition.api.container_definitions)[0].environment : e.name => e.value }) == tomap({
      AWS_REGION                 = "eu-central-1"
      RECFLOW_API_ADDRESS        = "0.0.0.0:14570"
      RECFLOW_API_AUTH           = "token"
      RECFLOW_API_DRAIN_TIMEOUT  = "30s"
      RECFLOW_BUCKET             = "recflow-bucket"
      RECFLOW_DATABASE_AUTH      = "iam"
      RECFLOW_DATABASE_URL       = "postgres://recflow_api@db:5432/recflow?sslmode=verify-full&sslrootcert=/etc/recflow/rds-ca.pem"
      RECFLOW_SEARCH             = "auto"
      RECFLOW_STREAM             = "recflow-events"
      RECFLOW_TASK_QUEUE         = "recflow"
      RECFLOW_TEMPORAL_ADDRESS   = "temporal.example.com:7233"
      RECFLOW_TEMPORAL_NAMESPACE = "recflow"
      RECFLOW_TEMPORAL_UI        = ""
      TEMPORAL_TLS               = "false"
    })
    error_message = "the API gets what internal/config reads"
  }
}

run "migrations_are_a_task_of_their_own_with_the_owners_password_by_reference" {
  command = plan

  assert {
    condition     = jsondecode(aws_ecs_task_definition.migrate.container_definitions)[0].command == ["database", "migrate"]
    error_message = "the task migrates"
  }
  assert {
    condition = jsondecode(aws_ecs_task_definition.migrate.container_definitions)[0].secrets == [
      { name = "RECFLOW_DATABASE_PASSWORD", valueFrom = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:rds!db-1:password::" },
    ]
    error_message = "the container agent reads the key password of RDS's secret"
  }
  assert {
    condition     = contains([for e in jsondecode(aws_ecs_task_definition.migrate.container_definitions)[0].environment : e.value], "postgres://recflow_owner@db:5432/recflow?sslmode=verify-full&sslrootcert=/etc/recflow/rds-ca.pem")
    error_message = "it connects as the owner"
  }
}

run "an_api_key_reaches_the_processes_as_a_reference" {
  command = plan

  variables {
    temporal = {
      address            = "eu-central-1.aws.api.temporal.io:7233"
      namespace          = "recflow.a1"
      api_key_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:temporal:key::"
    }
  }

  assert {
    condition = alltrue([
      for task in [aws_ecs_task_definition.worker, aws_ecs_task_definition.api] :
      jsondecode(task.container_definitions)[0].secrets == [
        { name = "TEMPORAL_API_KEY", valueFrom = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:temporal:key::" },
      ] && contains(jsondecode(task.container_definitions)[0].environment, { name = "TEMPORAL_TLS", value = "true" })
    ])
    error_message = "worker and API get the key, and use TLS"
  }
  assert {
    condition = one([for s in data.aws_iam_policy_document.execution.statement : s.resources if s.sid == "ReadTheGivenSecrets"]) == toset([
      "arn:aws:secretsmanager:eu-central-1:123456789012:secret:temporal",
      "arn:aws:secretsmanager:eu-central-1:123456789012:secret:rds!db-1",
    ])
    error_message = "the container agent reads the given secrets and no other"
  }
}

run "a_client_certificate_reaches_the_processes_as_a_reference" {
  command = plan

  variables {
    temporal = {
      address             = "temporal.example.com:7233"
      namespace           = "recflow"
      tls_cert_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:cert"
      tls_key_secret_arn  = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:key"
      tls_ca_secret_arn   = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:ca"
    }
  }

  assert {
    condition = jsondecode(aws_ecs_task_definition.worker.container_definitions)[0].secrets == [
      { name = "TEMPORAL_TLS_CLIENT_CERT_DATA", valueFrom = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:cert" },
      { name = "TEMPORAL_TLS_CLIENT_KEY_DATA", valueFrom = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:key" },
      { name = "TEMPORAL_TLS_SERVER_CA_CERT_DATA", valueFrom = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:ca" },
    ]
    error_message = "certificate, key and CA are references"
  }
}

run "a_database_without_iam_is_signed_in_to_by_password" {
  command = plan

  variables {
    database = {
      urls = {
        owner  = "postgres://recflow_owner@db:5432/recflow?sslmode=verify-full"
        loader = "postgres://recflow_loader@db:5432/recflow?sslmode=verify-full"
        api    = "postgres://recflow_api@db:5432/recflow?sslmode=verify-full"
      }
      connect_arns      = { loader = null, api = null }
      master_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:owner"
      auth              = "password"
      password_secret_arns = {
        loader = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:loader"
        api    = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:api"
      }
    }
  }

  assert {
    condition = (
      jsondecode(aws_ecs_task_definition.worker.container_definitions)[0].secrets == [{ name = "RECFLOW_DATABASE_PASSWORD", valueFrom = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:loader" }] &&
      jsondecode(aws_ecs_task_definition.api.container_definitions)[0].secrets == [{ name = "RECFLOW_DATABASE_PASSWORD", valueFrom = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:api" }]
    )
    error_message = "each has its own password, by reference"
  }
  assert {
    condition     = !contains(flatten([for s in concat(data.aws_iam_policy_document.worker.statement, data.aws_iam_policy_document.api.statement) : tolist(s.actions)]), "rds-db:connect")
    error_message = "no role may authenticate with IAM"
  }
}

run "the_worker_may_what_its_code_calls" {
  command = plan

  assert {
    condition = tomap({ for s in data.aws_iam_policy_document.worker.statement : s.sid => join(" ", sort(s.actions)) }) == tomap({
      RunTheTrainingJob                                       = "glue:BatchStopJobRun glue:GetJobRun glue:GetJobRuns glue:StartJobRun"
      ReadEmbeddingsAndCatalogsAndCountWhatATrainingWouldRead = "s3:GetObject"
      ListWhatATrainingWouldRead                              = "s3:ListBucket"
      RedeliverEvents                                         = "s3:PutObject"
      ReadFilesOfUsers                                        = "s3:GetObject"
      WriteLists                                              = "s3:DeleteObject s3:PutObject"
      ListLists                                               = "s3:ListBucket"
      EncryptLists                                            = "kms:GenerateDataKey"
      DecryptObjects                                          = "kms:Decrypt"
      SignInToPostgresAsLoader                                = "rds-db:connect"
      PublishOutcomes                                         = "sns:Publish"
      EncryptOutcomes                                         = "kms:GenerateDataKey"
    })
    error_message = "the worker has these actions and no others"
  }
  assert {
    condition = tomap({ for s in data.aws_iam_policy_document.worker.statement : s.sid => join(" ", sort(s.resources)) }) == tomap({
      RunTheTrainingJob                                       = "arn:aws:glue:eu-central-1:123456789012:job/recflow-train"
      ReadEmbeddingsAndCatalogsAndCountWhatATrainingWouldRead = "arn:aws:s3:::recflow-bucket/embeddings/* arn:aws:s3:::recflow-bucket/raw/events/* arn:aws:s3:::recflow-bucket/raw/interactions/* arn:aws:s3:::recflow-bucket/raw/items/*"
      ListWhatATrainingWouldRead                              = "arn:aws:s3:::recflow-bucket"
      RedeliverEvents                                         = "arn:aws:s3:::recflow-bucket/raw/events/dt=*/redelivered-*"
      ReadFilesOfUsers                                        = "arn:aws:s3:::recflow-bucket/list-users/*"
      WriteLists                                              = "arn:aws:s3:::recflow-bucket/lists/run=*"
      ListLists                                               = "arn:aws:s3:::recflow-bucket"
      EncryptLists                                            = "arn:aws:kms:eu-central-1:123456789012:key/1"
      DecryptObjects                                          = "arn:aws:kms:eu-central-1:123456789012:key/1"
      SignInToPostgresAsLoader                                = "arn:aws:rds-db:eu-central-1:123456789012:dbuser:db-1/recflow_loader"
      PublishOutcomes                                         = "arn:aws:sns:eu-central-1:123456789012:recflow-alarms"
      EncryptOutcomes                                         = "arn:aws:kms:eu-central-1:123456789012:key/1"
    })
    error_message = "the worker has these resources and no others"
  }
}

run "without_a_topic_the_worker_publishes_nothing" {
  command = plan

  variables { outcomes_topic_arn = null }

  assert {
    condition     = !contains(flatten([for s in data.aws_iam_policy_document.worker.statement : tolist(s.actions)]), "sns:Publish")
    error_message = "the worker may not publish"
  }
  assert {
    condition     = contains(jsondecode(aws_ecs_task_definition.worker.container_definitions)[0].environment, { name = "RECFLOW_OUTCOMES_TOPIC", value = "" })
    error_message = "the worker does not publish"
  }
}

run "uses_the_key_through_named_services_only" {
  command = plan

  assert {
    condition = tomap({
      for s in concat(data.aws_iam_policy_document.worker.statement, data.aws_iam_policy_document.api.statement) :
      s.sid => join(",", flatten([for c in s.condition : c.values]))
      if anytrue([for a in s.actions : startswith(a, "kms:")])
      }) == tomap({
      EncryptLists              = "s3.eu-central-1.amazonaws.com"
      DecryptObjects            = "s3.eu-central-1.amazonaws.com"
      EncryptOutcomes           = "sns.eu-central-1.amazonaws.com"
      EncryptEvents             = "kinesis.eu-central-1.amazonaws.com"
      DecryptQuarantinedRecords = "s3.eu-central-1.amazonaws.com"
    })
    error_message = "the key can be used for another purpose"
  }
}

run "the_api_may_put_events_read_quarantined_records_and_sign_in" {
  command = plan

  assert {
    condition = tomap({ for s in data.aws_iam_policy_document.api.statement : join(" ", sort(s.actions)) => join(" ", sort(s.resources)) }) == tomap({
      "kinesis:PutRecords"  = "arn:aws:kinesis:eu-central-1:123456789012:stream/recflow-events"
      "kms:GenerateDataKey" = "arn:aws:kms:eu-central-1:123456789012:key/1"
      "kms:Decrypt"         = "arn:aws:kms:eu-central-1:123456789012:key/1"
      "rds-db:connect"      = "arn:aws:rds-db:eu-central-1:123456789012:dbuser:db-1/recflow_api"
      "s3:GetObject"        = "arn:aws:s3:::recflow-bucket/aws/lambda/* arn:aws:s3:::recflow-bucket/quarantine-payloads/* arn:aws:s3:::recflow-bucket/quarantine/*"
      "s3:ListBucket"       = "arn:aws:s3:::recflow-bucket"
      "s3:DeleteObject"     = "arn:aws:s3:::recflow-bucket/raw/imports/* arn:aws:s3:::recflow-bucket/raw/interactions/* arn:aws:s3:::recflow-bucket/raw/items/*"

      "s3:GetObject s3:PutObject" = "arn:aws:s3:::recflow-bucket/raw/imports/*"
    })
    error_message = "it reads only quarantined records, failed batches and the records of imports, removes only imports, and has no Glue permissions: the API queries Temporal"
  }
  assert {
    condition = [for s in data.aws_iam_policy_document.api.statement : [for c in s.condition : [c.test, c.variable, join(" ", sort(c.values))]] if s.sid == "ListQuarantinedRecords"] == [
      [["StringLike", "s3:prefix", "aws/lambda/* quarantine/dt=* raw/imports/* raw/interactions/* raw/items/*"]],
    ]
    error_message = "it lists quarantined records, failed batches and imports only"
  }
}

run "no_action_and_no_resource_is_a_wildcard_where_aws_has_a_level" {
  command = plan

  assert {
    condition = alltrue([
      for s in concat(data.aws_iam_policy_document.worker.statement, data.aws_iam_policy_document.api.statement, data.aws_iam_policy_document.execution.statement) :
      alltrue([for action in s.actions : !strcontains(action, "*") && action != "iam:PassRole"]) &&
      (startswith(s.sid, "NoResourceLevel") || !contains(s.resources, "*"))
    ])
    error_message = "actions and resources are listed one by one, and no role may pass a role"
  }
  assert {
    condition     = [for s in data.aws_iam_policy_document.execution.statement : join(" ", s.actions) if startswith(s.sid, "NoResourceLevel")] == ["ecr:GetAuthorizationToken"]
    error_message = "only signing in to ECR has no resource"
  }
  assert {
    condition     = contains([for c in data.aws_iam_policy_document.trust.statement[0].condition : c.variable], "aws:SourceAccount")
    error_message = "only this account's tasks may assume the roles"
  }
}

run "images_of_your_own_are_pulled_from_where_they_are" {
  command = plan

  variables {
    create_repositories = false
    images = {
      worker = "210987654321.dkr.ecr.us-east-1.amazonaws.com/shop/worker@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
      api    = "ghcr.io/shop/api:v2"
      admin  = "210987654321.dkr.ecr.us-east-1.amazonaws.com/shop/admin:v2"
    }
  }

  assert {
    condition     = length(aws_ecr_repository.this) == 0 && jsondecode(aws_ecs_task_definition.api.container_definitions)[0].image == "ghcr.io/shop/api:v2"
    error_message = "the images are the given ones"
  }
  assert {
    condition = one([for s in data.aws_iam_policy_document.execution.statement : s.resources if s.sid == "PullImages"]) == toset([
      "arn:aws:ecr:us-east-1:210987654321:repository/shop/worker",
      "arn:aws:ecr:us-east-1:210987654321:repository/shop/admin",
    ])
    error_message = "the container agent pulls from their repositories"
  }
}

run "repositories_are_encrypted_scanned_and_keep_their_tags" {
  command = plan

  assert {
    condition = length(aws_ecr_repository.this) == 3 && alltrue([
      for repository in aws_ecr_repository.this :
      repository.image_tag_mutability == "IMMUTABLE" &&
      repository.image_scanning_configuration[0].scan_on_push &&
      repository.encryption_configuration[0].encryption_type == "KMS" &&
      repository.encryption_configuration[0].kms_key == var.kms_key_arn &&
      !repository.force_delete
    ])
    error_message = "there are three such repositories"
  }
  assert {
    condition     = jsondecode(aws_ecs_task_definition.worker.container_definitions)[0].image == "123456789012.dkr.ecr.eu-central-1.amazonaws.com/recflow/x:v1"
    error_message = "tasks run the given tag from them"
  }
  assert {
    condition     = alltrue([for group in aws_cloudwatch_log_group.this : group.kms_key_id == var.kms_key_arn && group.retention_in_days == 30])
    error_message = "logs are encrypted, and expire"
  }
}

run "a_deploy_keeps_serving_lets_tasks_drain_and_is_taken_back_when_it_fails" {
  command = plan

  variables {
    worker = { drain_seconds = 100 }
    api    = { drain_seconds = 40 }
  }

  assert {
    condition = alltrue([
      for service in [aws_ecs_service.worker, aws_ecs_service.api] :
      service.deployment_minimum_healthy_percent == 100 && service.deployment_maximum_percent == 200 &&
      service.deployment_circuit_breaker[0].enable && service.deployment_circuit_breaker[0].rollback &&
      !service.network_configuration[0].assign_public_ip
    ])
    error_message = "new tasks start before old ones stop, without public addresses"
  }
  assert {
    condition = (
      jsondecode(aws_ecs_task_definition.worker.container_definitions)[0].stopTimeout == 115 &&
      jsondecode(aws_ecs_task_definition.api.container_definitions)[0].stopTimeout == 55
    )
    error_message = "tasks are killed some time after they should have drained"
  }
  assert {
    condition     = aws_ecs_service.api.availability_zone_rebalancing == "ENABLED" && aws_ecs_service.worker.availability_zone_rebalancing == "DISABLED"
    error_message = "API tasks are rebalanced after a zone outage, workers are not"
  }
  assert {
    condition     = aws_lb_target_group.api.deregistration_delay == "75" && aws_lb.api.idle_timeout == 90
    error_message = "a response that takes a minute does not time out"
  }
  assert {
    condition = (
      jsondecode(aws_ecs_task_definition.worker.container_definitions)[0].healthCheck.command == ["CMD", "/recflow-worker", "health"] &&
      jsondecode(aws_ecs_task_definition.api.container_definitions)[0].healthCheck.command == ["CMD", "/recflow-api", "health"] &&
      aws_lb_target_group.api.health_check[0].path == "/healthz"
    )
    error_message = "containers have health checks"
  }
}

run "a_drain_is_never_longer_than_fargate_waits" {
  command = plan

  variables { worker = { drain_seconds = 110 } }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.worker.container_definitions)[0].stopTimeout == 120
    error_message = "Fargate waits for 120 seconds at most"
  }
}

run "the_api_is_reached_by_tls_from_the_given_ranges_only" {
  command = plan

  variables { api_ingress_cidrs = ["10.0.0.0/16", "192.168.0.0/24"] }

  assert {
    condition = (
      aws_lb_listener.https.port == 443 && aws_lb_listener.https.protocol == "HTTPS" &&
      aws_lb_listener.https.ssl_policy == "ELBSecurityPolicy-TLS13-1-2-2021-06" &&
      aws_lb_listener.https.certificate_arn == var.certificate_arn
    )
    error_message = "TLS 1.2 or newer, and no listener without TLS"
  }
  assert {
    condition = toset([for rule in aws_vpc_security_group_ingress_rule.callers : "${rule.security_group_id} ${rule.cidr_ipv4} ${rule.from_port}-${rule.to_port}"]) == toset([
      "sg-lb 10.0.0.0/16 443-443", "sg-lb 192.168.0.0/24 443-443",
    ])
    error_message = "there is a rule for each range"
  }
  assert {
    condition     = aws_lb.api.drop_invalid_header_fields && aws_lb.api.enable_deletion_protection
    error_message = "invalid headers are dropped, and the load balancer is protected against deletion"
  }
  assert {
    condition     = aws_lb.api.internal && aws_lb.api.subnets == toset(["subnet-a", "subnet-b"])
    error_message = "by default it is inside the VPC"
  }
}

run "a_public_load_balancer_is_in_the_public_subnets" {
  command = plan

  variables {
    internal   = false
    api_domain = "recflow.example.com"
  }

  assert {
    condition     = !aws_lb.api.internal && aws_lb.api.subnets == toset(["subnet-c", "subnet-d"])
    error_message = "it is internet-facing"
  }
  assert {
    condition     = output.api_url == "https://recflow.example.com"
    error_message = "the address is that of the certificate"
  }
}

run "services_scale_between_their_bounds" {
  command = plan

  variables {
    worker = { min = 2, max = 6 }
    api    = { min = 3, max = 9, requests_per_task = 1000 }
  }

  assert {
    condition = (
      aws_appautoscaling_target.this["worker"].min_capacity == 2 && aws_appautoscaling_target.this["worker"].max_capacity == 6 &&
      aws_appautoscaling_target.this["api"].min_capacity == 3 && aws_appautoscaling_target.this["api"].max_capacity == 9 &&
      aws_ecs_service.worker.desired_count == 2 && aws_ecs_service.api.desired_count == 3
    )
    error_message = "they start at the minimum"
  }
  assert {
    condition = (
      aws_appautoscaling_policy.requests.target_tracking_scaling_policy_configuration[0].target_value == 1000 &&
      aws_appautoscaling_policy.requests.target_tracking_scaling_policy_configuration[0].predefined_metric_specification[0].resource_label == "app/recflow-api/1/targetgroup/recflow-api/2"
    )
    error_message = "the API scales with requests"
  }
  assert {
    condition     = toset(keys(aws_appautoscaling_policy.cpu)) == toset(["worker", "api"])
    error_message = "both scale with CPU"
  }
}

run "nothing_runs_before_the_images_are_there" {
  command = plan

  variables { running = false }

  assert {
    condition = (
      aws_ecs_service.worker.desired_count == 0 && aws_ecs_service.api.desired_count == 0 &&
      alltrue([for target in aws_appautoscaling_target.this : target.min_capacity == 0 && target.max_capacity == 0])
    )
    error_message = "the desired count is 0"
  }
}

run "the_other_architecture_can_be_had" {
  command = plan

  variables { architecture = "x86_64" }

  assert {
    condition     = aws_ecs_task_definition.worker.runtime_platform[0].cpu_architecture == "X86_64"
    error_message = "tasks run on x86-64"
  }
}

run "rejects_a_name_prefix_that_begins_with_a_digit" {
  command = plan
  variables { name_prefix = "1recflow" }
  expect_failures = [var.name_prefix]
}

run "rejects_a_name_prefix_with_two_hyphens_in_a_row" {
  command = plan
  variables { name_prefix = "rec--flow" }
  expect_failures = [var.name_prefix]
}

run "rejects_an_unknown_architecture" {
  command = plan
  variables { architecture = "amd64" }
  expect_failures = [var.architecture]
}

run "rejects_an_image_without_a_tag" {
  command = plan
  variables { images = { worker = "r/worker", api = "r/api:1", admin = "r/admin:1" } }
  expect_failures = [var.images]
}

run "rejects_neither_images_nor_a_tag" {
  command = plan
  variables { image_tag = null }
  expect_failures = [var.images]
}

run "rejects_a_tag_of_repositories_that_are_not_made" {
  command = plan
  variables { create_repositories = false }
  expect_failures = [var.images]
}

run "rejects_a_tag_that_moves" {
  command = plan
  variables { image_tag = "latest" }
  expect_failures = [var.image_tag]
}

run "rejects_an_unknown_way_out" {
  command = plan
  variables {
    network = {
      vpc_id             = "vpc-1"
      private_subnet_ids = ["subnet-a", "subnet-b"]
      egress             = "internet"
      security_group_ids = { worker = "sg-worker", api = "sg-api", admin = "sg-admin", load_balancer = "sg-lb" }
    }
  }
  expect_failures = [var.network]
}

run "rejects_an_unknown_way_to_sign_in" {
  command = plan
  variables {
    database = {
      urls              = { owner = "postgres://u@db/r?sslmode=verify-full", loader = "postgres://u@db/r?sslmode=verify-full", api = "postgres://u@db/r?sslmode=verify-full" }
      connect_arns      = { loader = "arn:aws:rds-db:eu-central-1:123456789012:dbuser:db-1/recflow_loader", api = "arn:aws:rds-db:eu-central-1:123456789012:dbuser:db-1/recflow_api" }
      master_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:rds"
      auth              = "trust"
    }
  }
  expect_failures = [var.database]
}

run "rejects_passwords_that_are_not_given" {
  command = plan
  variables {
    database = {
      urls              = { owner = "postgres://u@db/r?sslmode=verify-full", loader = "postgres://u@db/r?sslmode=verify-full", api = "postgres://u@db/r?sslmode=verify-full" }
      connect_arns      = { loader = "arn:aws:rds-db:eu-central-1:123456789012:dbuser:db-1/recflow_loader", api = "arn:aws:rds-db:eu-central-1:123456789012:dbuser:db-1/recflow_api" }
      master_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:rds"
      auth              = "password"
    }
  }
  expect_failures = [var.database]
}

run "rejects_passwords_that_are_not_used" {
  command = plan
  variables {
    database = {
      urls                 = { owner = "postgres://u@db/r?sslmode=verify-full", loader = "postgres://u@db/r?sslmode=verify-full", api = "postgres://u@db/r?sslmode=verify-full" }
      connect_arns         = { loader = "arn:aws:rds-db:eu-central-1:123456789012:dbuser:db-1/recflow_loader", api = "arn:aws:rds-db:eu-central-1:123456789012:dbuser:db-1/recflow_api" }
      master_secret_arn    = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:rds"
      auth                 = "iam"
      password_secret_arns = { loader = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:l", api = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:a" }
    }
  }
  expect_failures = [var.database]
}

run "rejects_an_address_with_a_password" {
  command = plan
  variables {
    database = {
      urls              = { owner = "postgres://u:hunter2@db/r?sslmode=verify-full", loader = "postgres://u:hunter2@db/r?sslmode=verify-full", api = "postgres://u:hunter2@db/r?sslmode=verify-full" }
      connect_arns      = { loader = "arn:aws:rds-db:eu-central-1:123456789012:dbuser:db-1/recflow_loader", api = "arn:aws:rds-db:eu-central-1:123456789012:dbuser:db-1/recflow_api" }
      master_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:rds"
      auth              = "iam"
    }
  }
  expect_failures = [var.database]
}

run "rejects_an_address_that_checks_no_certificate" {
  command = plan
  variables {
    database = {
      urls              = { owner = "postgres://u@db/r?sslmode=require", loader = "postgres://u@db/r?sslmode=require", api = "postgres://u@db/r?sslmode=require" }
      connect_arns      = { loader = "arn:aws:rds-db:eu-central-1:123456789012:dbuser:db-1/recflow_loader", api = "arn:aws:rds-db:eu-central-1:123456789012:dbuser:db-1/recflow_api" }
      master_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:rds"
      auth              = "iam"
    }
  }
  expect_failures = [var.database]
}

run "rejects_a_temporal_address_without_a_port" {
  command = plan
  variables {
    temporal = {
      namespace = "recflow"
      address   = "temporal.example.com"
    }
  }
  expect_failures = [var.temporal]
}

run "rejects_an_api_key_in_the_place_of_its_arn" {
  command = plan
  variables {
    temporal = {
      namespace          = "recflow"
      address            = "temporal.example.com:7233"
      api_key_secret_arn = "hunter2"
    }
  }
  expect_failures = [var.temporal]
}

run "rejects_a_certificate_without_its_key" {
  command = plan
  variables {
    temporal = {
      namespace           = "recflow"
      address             = "temporal.example.com:7233"
      tls_cert_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:cert"
    }
  }
  expect_failures = [var.temporal]
}

run "rejects_an_api_key_beside_a_certificate" {
  command = plan
  variables {
    temporal = {
      namespace           = "recflow"
      address             = "temporal.example.com:7233"
      api_key_secret_arn  = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:key"
      tls_cert_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:cert"
      tls_key_secret_arn  = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:certkey"
    }
  }
  expect_failures = [var.temporal]
}

run "rejects_temporal_cloud_without_a_secret" {
  command = plan
  variables {
    temporal = {
      namespace = "recflow"
      address   = "recflow.a1.tmprl.cloud:7233"
    }
  }
  expect_failures = [var.temporal]
}

run "rejects_temporal_cloud_without_a_way_out" {
  command = plan
  variables {
    temporal = {
      namespace          = "recflow"
      address            = "recflow.a1.tmprl.cloud:7233"
      api_key_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:key"
    }
    network = {
      vpc_id             = "vpc-1"
      private_subnet_ids = ["subnet-a", "subnet-b"]
      egress             = "privatelink"
      security_group_ids = { worker = "sg-worker", api = "sg-api", admin = "sg-admin", load_balancer = "sg-lb" }
    }
  }
  expect_failures = [var.temporal]
}

run "rejects_the_alias_of_a_secrets_key" {
  command = plan
  variables { secrets_kms_key_arns = ["alias/aws/secretsmanager"] }
  expect_failures = [var.secrets_kms_key_arns]
}

run "rejects_all_streams" {
  command = plan
  variables { stream = { name = "x", arn = "arn:aws:kinesis:eu-central-1:123456789012:stream/*" } }
  expect_failures = [var.stream]
}

run "rejects_all_buckets" {
  command = plan
  variables { bucket = { name = "x", arn = "arn:aws:s3:::*" } }
  expect_failures = [var.bucket]
}

run "rejects_all_jobs" {
  command = plan
  variables { glue_job = { name = "x", arn = "arn:aws:glue:eu-central-1:123456789012:job/*" } }
  expect_failures = [var.glue_job]
}

run "rejects_all_topics" {
  command = plan
  variables { outcomes_topic_arn = "arn:aws:sns:eu-central-1:123456789012:*" }
  expect_failures = [var.outcomes_topic_arn]
}

run "rejects_the_alias_of_a_key" {
  command = plan
  variables { kms_key_arn = "alias/aws/ecr" }
  expect_failures = [var.kms_key_arn]
}

run "rejects_a_margin_of_seconds" {
  command = plan
  variables { stored_margin_seconds = 5 }
  expect_failures = [var.stored_margin_seconds]
}

run "rejects_events_that_are_not_kept" {
  command = plan
  variables { event_retention_hours = 0 }
  expect_failures = [var.event_retention_hours]
}

run "rejects_a_worker_size_that_fargate_does_not_know" {
  command = plan
  variables { worker = { cpu = 1024, memory = 1024 } }
  expect_failures = [var.worker]
}

run "rejects_a_worker_without_room" {
  command = plan
  variables { worker = { scratch_gib = 5 } }
  expect_failures = [var.worker]
}

run "rejects_worker_bounds_the_wrong_way_round" {
  command = plan
  variables { worker = { min = 5, max = 2 } }
  expect_failures = [var.worker]
}

run "rejects_a_worker_drain_that_fargate_cuts_off" {
  command = plan
  variables { worker = { drain_seconds = 120 } }
  expect_failures = [var.worker]
}

run "rejects_a_secret_among_the_workers_settings" {
  command = plan
  variables { worker = { environment = { TEMPORAL_API_KEY = "hunter2" } } }
  expect_failures = [var.worker]
}

run "rejects_an_api_size_that_fargate_does_not_know" {
  command = plan
  variables { api = { cpu = 300, memory = 600 } }
  expect_failures = [var.api]
}

run "rejects_api_bounds_the_wrong_way_round" {
  command = plan
  variables { api = { min = 5, max = 2 } }
  expect_failures = [var.api]
}

run "rejects_an_api_that_takes_no_requests" {
  command = plan
  variables { api = { requests_per_task = 0 } }
  expect_failures = [var.api]
}

run "rejects_an_api_drain_that_fargate_cuts_off" {
  command = plan
  variables { api = { drain_seconds = 120 } }
  expect_failures = [var.api]
}

run "rejects_a_secret_among_the_apis_settings" {
  command = plan
  variables { api = { environment = { RECFLOW_DATABASE_PASSWORD = "hunter2" } } }
  expect_failures = [var.api]
}

run "rejects_an_api_without_a_certificate" {
  command = plan
  variables { certificate_arn = "" }
  expect_failures = [var.certificate_arn]
}

run "rejects_a_domain_with_a_scheme" {
  command = plan
  variables { api_domain = "https://recflow.example.com" }
  expect_failures = [var.api_domain]
}

run "rejects_the_whole_internet" {
  command = plan
  variables { api_ingress_cidrs = ["0.0.0.0/0"] }
  expect_failures = [var.api_ingress_cidrs]
}

run "rejects_the_whole_internet_in_halves" {
  command = plan
  variables { api_ingress_cidrs = ["0.0.0.0/1", "128.0.0.0/1"] }
  expect_failures = [var.api_ingress_cidrs]
}

run "rejects_a_caller_that_is_no_range" {
  command = plan
  variables { api_ingress_cidrs = ["10.0.0.1"] }
  expect_failures = [var.api_ingress_cidrs]
}

run "rejects_the_whole_internet_of_ipv6" {
  command = plan
  variables { api_ingress_cidrs = ["::/0"] }
  expect_failures = [var.api_ingress_cidrs]
}

run "rejects_a_public_load_balancer_without_public_subnets" {
  command = plan
  variables {
    internal = false
    network = {
      vpc_id             = "vpc-1"
      private_subnet_ids = ["subnet-a", "subnet-b"]
      egress             = "nat"
      security_group_ids = { worker = "sg-worker", api = "sg-api", admin = "sg-admin", load_balancer = "sg-lb" }
    }
  }
  expect_failures = [var.internal]
}

run "rejects_a_retention_that_cloudwatch_does_not_know" {
  command = plan
  variables { log_retention_days = 10 }
  expect_failures = [var.log_retention_days]
}

run "rejects_a_worker_larger_than_fargate_has" {
  command = plan
  variables { worker = { cpu = 4096, memory = 32768 } }
  expect_failures = [var.worker]
}

run "rejects_an_api_of_half_a_gibibyte_more" {
  command = plan
  variables { api = { cpu = 512, memory = 1536 } }
  expect_failures = [var.api]
}

run "takes_the_smallest_and_the_largest_task" {
  command = plan

  variables {
    worker = { cpu = 4096, memory = 30720 }
    api    = { cpu = 256, memory = 512 }
  }

  assert {
    condition     = aws_ecs_task_definition.worker.memory == "30720" && aws_ecs_task_definition.api.memory == "512"
    error_message = "sizes are as given"
  }
}

# ECS cannot roll back to an INACTIVE revision, and an apply must not end before it did.
run "a_release_can_be_rolled_back" {
  command = plan

  assert {
    condition     = alltrue([for d in [aws_ecs_task_definition.worker, aws_ecs_task_definition.api, aws_ecs_task_definition.migrate] : d.skip_destroy])
    error_message = "an apply deregisters the revision that runs"
  }
  assert {
    condition     = aws_ecs_service.worker.wait_for_steady_state && aws_ecs_service.api.wait_for_steady_state
    error_message = "an apply does not wait for the tasks"
  }
}
