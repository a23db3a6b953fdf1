# Rules across modules, and properties of the whole deployment. Plans only, with a
# mocked provider.

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
  mock_data "aws_availability_zones" {
    defaults = { names = ["eu-central-1a", "eu-central-1b", "eu-central-1c"] }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }
  mock_data "aws_servicequotas_service_quota" {
    defaults = { value = 1000 }
  }
  mock_data "aws_rds_engine_version" {
    defaults = { version_actual = "16.14" }
  }
  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555" }
  }
  mock_resource "aws_s3_bucket" {
    defaults = { arn = "arn:aws:s3:::recflow-data", bucket = "recflow-data", id = "recflow-data" }
  }
  mock_resource "aws_kinesis_stream" {
    defaults = { arn = "arn:aws:kinesis:eu-central-1:123456789012:stream/recflow-events" }
  }
  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:eu-central-1:123456789012:recflow-alarms" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/recflow" }
  }
  mock_resource "aws_subnet" {
    defaults = { id = "subnet-1" }
  }
  mock_resource "aws_security_group" {
    defaults = { id = "sg-1" }
  }
  mock_resource "aws_glue_job" {
    defaults = { arn = "arn:aws:glue:eu-central-1:123456789012:job/recflow-train" }
  }
  mock_resource "aws_db_instance" {
    defaults = {
      address            = "recflow.x.eu-central-1.rds.amazonaws.com"
      resource_id        = "db-ABCDEFGHIJKL01234"
      master_user_secret = [{ secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:rds!db-1", kms_key_id = "k", secret_status = "active" }]
    }
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
      arn        = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/recflow-api/1"
      arn_suffix = "targetgroup/recflow-api/1"
    }
  }
  mock_resource "aws_ecs_task_definition" {
    defaults = { arn = "arn:aws:ecs:eu-central-1:123456789012:task-definition/recflow-migrate:1" }
  }
  mock_resource "aws_ecs_cluster" {
    defaults = { arn = "arn:aws:ecs:eu-central-1:123456789012:cluster/recflow" }
  }
  mock_resource "aws_lambda_function" {
    defaults = { arn = "arn:aws:lambda:eu-central-1:123456789012:function:recflow-stream" }
  }
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:recflow" }
  }
  mock_resource "aws_ecr_repository" {
    defaults = {
      arn            = "arn:aws:ecr:eu-central-1:123456789012:repository/recflow/x"
      repository_url = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/recflow/x"
    }
  }
}

override_resource {
  target          = module.firehose.aws_kinesis_firehose_delivery_stream.this["events"]
  override_during = plan
  values          = { arn = "arn:aws:firehose:eu-central-1:123456789012:deliverystream/recflow-events" }
}
override_resource {
  target          = module.firehose.aws_kinesis_firehose_delivery_stream.this["recommendations"]
  override_during = plan
  values          = { arn = "arn:aws:firehose:eu-central-1:123456789012:deliverystream/recflow-recommendations" }
}
override_resource {
  target          = module.firehose.aws_kinesis_firehose_delivery_stream.this["quarantine"]
  override_during = plan
  values          = { arn = "arn:aws:firehose:eu-central-1:123456789012:deliverystream/recflow-quarantine" }
}

variables {
  packages  = "tests/packages"
  image_tag = "v1"
  temporal  = { address = "temporal.internal:7233" }
  api = {
    certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/1"
    ingress_cidrs   = ["10.0.0.0/16"]
  }
}

run "makes_the_whole_with_nothing_but_temporal_and_a_certificate" {
  command = plan

  assert {
    condition     = output.bucket == "recflow-data" && output.function == "recflow-stream" && output.services == { worker = "recflow-worker", api = "recflow-api" }
    error_message = "names are ${jsonencode([output.bucket, output.function, output.services])}"
  }
  assert {
    condition     = toset(keys(output.roles)) == toset(["admin", "api", "firehose", "glue", "lambda", "worker"])
    error_message = "roles are ${jsonencode(keys(output.roles))}"
  }
  assert {
    condition     = length(output.alarm_names) == 17 && keys(output.rule_names) == ["glue-failures"]
    error_message = "there are ${length(output.alarm_names)} alarms"
  }
}

run "prints_the_command_that_migrates_with_the_admins_group_and_the_private_subnets" {
  command = plan

  assert {
    condition     = startswith(output.migrate_task, "aws ecs run-task --region eu-central-1 --cluster recflow ") && strcontains(output.migrate_task, "securityGroups=[")
    error_message = output.migrate_task
  }
}

run "says_what_to_type_next" {
  command = plan

  assert {
    condition     = strcontains(output.next_steps, "/events") && strcontains(output.next_steps, "recflow doctor --aws") && strcontains(output.next_steps, "recflow backfill start")
    error_message = output.next_steps
  }
}

run "rejects_records_that_expire_in_the_stream_before_they_are_given_up" {
  command = plan

  variables {
    mapping = { max_record_age_seconds = 86400 }
  }
  expect_failures = [terraform_data.rules]
}

run "rejects_a_margin_that_deliveries_cannot_keep" {
  command = plan

  variables {
    delivery              = { buffer_seconds = 600 }
    stored_margin_seconds = 3600
  }
  expect_failures = [terraform_data.rules]
}

run "rejects_fewer_environments_than_batches_at_a_time" {
  command = plan

  variables {
    stream   = { mode = "PROVISIONED", shards = 8 }
    mapping  = { parallelization = 2 }
    function = { reserved_concurrency = 8 }
  }
  expect_failures = [terraform_data.rules]
}

run "sizes_the_function_and_the_api_for_the_catalog" {
  command = plan

  variables {
    search = { items = 1000000, rank = 64 }
  }
  assert {
    condition     = local.function_memory == 2169 && local.api_memory == 3072 && local.api_cpu == 512
    error_message = "sizes are ${jsonencode([local.function_memory, local.api_memory, local.api_cpu])}"
  }
}

run "chooses_a_task_with_enough_processors_for_its_memory" {
  command = plan

  variables {
    search = { items = 1000000, rank = 256 }
  }
  assert {
    condition     = local.function_memory == 6238 && local.api_memory == 7168 && local.api_cpu == 1024
    error_message = "sizes are ${jsonencode([local.function_memory, local.api_memory, local.api_cpu])}"
  }
}

run "keeps_the_sizes_when_lists_are_searched_in_postgres" {
  command = plan

  variables {
    search = { mode = "pgvector", items = 100000000 }
  }
  assert {
    condition     = local.function_memory == 512 && local.api_memory == 1024 && local.api_cpu == 512
    error_message = "sizes are ${jsonencode([local.function_memory, local.api_memory, local.api_cpu])}"
  }
}

run "rejects_a_function_that_cannot_hold_two_versions" {
  command = plan

  variables {
    search   = { items = 1000000 }
    function = { memory_mb = 1024 }
  }
  expect_failures = [terraform_data.rules]
}

run "rejects_a_catalog_that_no_function_can_hold" {
  command = plan

  variables {
    search = { items = 10000000 }
    api    = { certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/1", ingress_cidrs = ["10.0.0.0/16"], cpu = 4096, memory = 30720 }
  }
  expect_failures = [terraform_data.rules]
}

run "rejects_api_tasks_that_cannot_hold_two_versions" {
  command = plan

  variables {
    search = { items = 1000000 }
    api    = { certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/1", ingress_cidrs = ["10.0.0.0/16"], memory = 1024 }
  }
  expect_failures = [terraform_data.rules]
}

run "rejects_an_unknown_search" {
  command = plan

  variables {
    search = { mode = "graph" }
  }
  expect_failures = [var.search]
}

run "rejects_an_unknown_threshold" {
  command = plan

  variables {
    thresholds = { iterator_age = 5 }
  }
  expect_failures = [var.thresholds]
}

run "takes_a_database_and_a_vpc_of_yours" {
  command = plan

  variables {
    database = {
      existing = {
        host              = "db.example.com"
        resource_id       = "db-ABCDEFGHIJKL01234"
        master_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:owner"
      }
    }
    vpc = {
      vpc_id                  = "vpc-0123456789abcdef0"
      cidr_block              = "10.0.0.0/16"
      private_subnet_ids      = ["subnet-1", "subnet-2"]
      private_route_table_ids = ["rtb-1"]
    }
  }
  assert {
    condition     = output.database_host == "db.example.com"
    error_message = "host is ${output.database_host}"
  }
}
