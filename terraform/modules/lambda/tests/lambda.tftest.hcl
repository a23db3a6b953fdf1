mock_provider "aws" {
  override_during = plan

  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }

  mock_data "aws_region" {
    defaults = { name = "eu-central-1" }
  }

  mock_data "aws_partition" {
    defaults = { partition = "aws", dns_suffix = "amazonaws.com" }
  }

  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }

  mock_data "aws_servicequotas_service_quota" {
    defaults = { value = 1000 }
  }

  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111122223333:role/recflow-stream" }
  }

  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-central-1:111122223333:log-group:/aws/lambda/recflow-stream" }
  }

  mock_resource "aws_lambda_function" {
    defaults = { arn = "arn:aws:lambda:eu-central-1:111122223333:function:recflow-stream" }
  }

  mock_resource "aws_lambda_event_source_mapping" {
    defaults = { uuid = "u-u-i-d" }
  }
}

variables {
  name_prefix = "recflow"
  zip_path    = "tests/function.zip"
  stream_arn  = "arn:aws:kinesis:eu-central-1:111122223333:stream/recflow-events"
  kms_key_arn = "arn:aws:kms:eu-central-1:111122223333:key/k"
  bucket      = { name = "b", arn = "arn:aws:s3:::b" }
  network     = { subnet_ids = ["subnet-1", "subnet-2"], security_group_id = "sg-1" }

  delivery = {
    names = { events = "e", recommendations = "r", quarantine = "q" }
    arns = {
      events          = "arn:aws:firehose:eu-central-1:111122223333:deliverystream/e"
      recommendations = "arn:aws:firehose:eu-central-1:111122223333:deliverystream/r"
      quarantine      = "arn:aws:firehose:eu-central-1:111122223333:deliverystream/q"
    }
  }

  database = {
    url          = "postgres://recflow_stream@db:5432/recflow?sslmode=verify-full&sslrootcert=/var/task/rds-ca.pem"
    resource_arn = "arn:aws:rds-db:eu-central-1:111122223333:dbuser:db-X/recflow_stream"
  }
}

run "runs_the_packaged_binary_on_arm_in_the_vpc" {
  command = plan

  assert {
    condition = (
      aws_lambda_function.this.runtime == "provided.al2023"
      && aws_lambda_function.this.handler == "bootstrap"
      && aws_lambda_function.this.architectures == tolist(["arm64"])
      && aws_lambda_function.this.source_code_hash == filebase64sha256("tests/function.zip")
    )
    error_message = "the function is not the packaged one on arm64"
  }

  assert {
    condition = (
      toset(aws_lambda_function.this.vpc_config[0].subnet_ids) == toset(["subnet-1", "subnet-2"])
      && toset(aws_lambda_function.this.vpc_config[0].security_group_ids) == toset(["sg-1"])
    )
    error_message = "the function is not in the given network"
  }
}

run "sets_what_the_configuration_reads" {
  command = plan

  variables {
    environment = { RECFLOW_LIST_LENGTH = "10" }
  }

  assert {
    condition = aws_lambda_function.this.environment[0].variables == tomap({
      RECFLOW_BUCKET                   = "b"
      RECFLOW_DATABASE_AUTH            = "iam"
      RECFLOW_DATABASE_MAX_CONNS       = "2"
      RECFLOW_DATABASE_URL             = var.database.url
      RECFLOW_FIREHOSE_EVENTS          = "e"
      RECFLOW_FIREHOSE_QUARANTINE      = "q"
      RECFLOW_FIREHOSE_RECOMMENDATIONS = "r"
      RECFLOW_LIST_LENGTH              = "10"
      RECFLOW_SEARCH                   = "auto"
    })
    error_message = "the settings are not those of internal/config"
  }

  # Read by internal/config.
  assert {
    condition = length(setsubtract(
      keys(aws_lambda_function.this.environment[0].variables),
      flatten([
        for path in fileset("../../../internal/config", "*.go") :
        regexall("env:\"(RECFLOW_[A-Z_]+)\"", file("../../../internal/config/${path}"))
      ]),
    )) == 0
    error_message = "a setting is not read by internal/config"
  }
}

run "bounds_its_concurrency_and_its_time" {
  command = plan

  variables {
    reserved_concurrency = 6
    timeout_seconds      = 60
    memory_mb            = 1024
  }

  assert {
    condition = (
      aws_lambda_function.this.reserved_concurrent_executions == 6
      && aws_lambda_function.this.timeout == 60 && aws_lambda_function.this.memory_size == 1024
    )
    error_message = "a limit differs"
  }
}

run "logs_json_to_its_own_encrypted_group" {
  command = plan

  assert {
    condition = (
      aws_lambda_function.this.logging_config[0].log_format == "JSON"
      && aws_lambda_function.this.logging_config[0].log_group == "/aws/lambda/recflow-stream"
      && output.log_group_name == "/aws/lambda/recflow-stream"
    )
    error_message = "the log group differs, or the format is not JSON"
  }

  assert {
    condition     = aws_cloudwatch_log_group.this.kms_key_id == var.kms_key_arn && aws_cloudwatch_log_group.this.retention_in_days == 30
    error_message = "the log is not encrypted, or is retained forever"
  }

  assert {
    condition     = aws_lambda_function.this.kms_key_arn == var.kms_key_arn
    error_message = "the settings are not encrypted with the key"
  }
}

run "sets_the_mapping_as_a_whole" {
  command = plan

  assert {
    condition = (
      aws_lambda_event_source_mapping.this.event_source_arn == var.stream_arn
      && aws_lambda_event_source_mapping.this.batch_size == 500
      && aws_lambda_event_source_mapping.this.maximum_batching_window_in_seconds == 1
      && aws_lambda_event_source_mapping.this.parallelization_factor == 2
      && aws_lambda_event_source_mapping.this.starting_position == "TRIM_HORIZON"
    )
    error_message = "the mapping reads the stream with other settings"
  }

  assert {
    condition = (
      aws_lambda_event_source_mapping.this.function_response_types == toset(["ReportBatchItemFailures"])
      && aws_lambda_event_source_mapping.this.bisect_batch_on_function_error
      && aws_lambda_event_source_mapping.this.maximum_retry_attempts == 10000
      && aws_lambda_event_source_mapping.this.maximum_record_age_in_seconds == 79200
      && aws_lambda_event_source_mapping.this.destination_config[0].on_failure[0].destination_arn == "arn:aws:s3:::b"
    )
    error_message = "a poison record can block its shard, or be lost"
  }

  assert {
    condition     = aws_lambda_event_source_mapping.this.metrics_config[0].metrics == toset(["EventCount"])
    error_message = "discarded batches would raise no alarm"
  }

  assert {
    condition     = output.failure_prefix == "aws/lambda/u-u-i-d/" && output.mapping_uuid == "u-u-i-d"
    error_message = "the output for discarded batches differs"
  }
}

run "reads_this_stream_and_no_other" {
  command = plan

  assert {
    condition = {
      for s in data.aws_iam_policy_document.this.statement : join(" ", s.resources) => sort(s.actions)
      if anytrue([for a in s.actions : startswith(a, "kinesis:")])
      } == {
      (var.stream_arn) = tolist([
        "kinesis:DescribeStream", "kinesis:DescribeStreamSummary", "kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards",
      ])
    }
    error_message = "it has other permissions on Kinesis"
  }
}

run "puts_to_its_three_streams_and_two_folders_only" {
  command = plan

  assert {
    condition = {
      for s in data.aws_iam_policy_document.this.statement : join(" ", s.actions) => toset(s.resources)
      if anytrue([for a in s.actions : startswith(a, "firehose:") || startswith(a, "s3:")])
      } == {
      "firehose:PutRecordBatch" = toset(values(var.delivery.arns))
      "s3:PutObject"            = toset(["arn:aws:s3:::b/quarantine-payloads/*", "arn:aws:s3:::b/aws/lambda/*"])
      "s3:ListBucket"           = toset(["arn:aws:s3:::b"])
    }
    error_message = "it writes elsewhere, or lacks a write permission"
  }

  # stream.PayloadPrefix
  assert {
    condition     = strcontains(file("../../../internal/stream/documents.go"), "PayloadPrefix = \"${local.payloads}\"")
    error_message = "the function writes large records under another prefix"
  }
}

run "signs_in_to_the_database_as_its_own_user" {
  command = plan

  assert {
    condition = [
      for s in data.aws_iam_policy_document.this.statement : join(" ", s.resources) if contains(s.actions, "rds-db:connect")
    ] == [var.database.resource_arn]
    error_message = "it may connect as another user, or cannot connect"
  }
}

run "needs_no_permission_where_the_database_asks_for_no_token" {
  command = plan

  variables {
    database = { url = "postgres://recflow_stream@db:5432/recflow?sslmode=disable", auth = "password" }
  }

  assert {
    condition     = length([for s in data.aws_iam_policy_document.this.statement : s if contains(s.actions, "rds-db:connect")]) == 0
    error_message = "it may connect with IAM"
  }

  assert {
    condition     = aws_lambda_function.this.environment[0].variables["RECFLOW_DATABASE_AUTH"] == "password"
    error_message = "the function would request a token"
  }
}

run "allows_single_actions_on_named_resources" {
  command = plan

  assert {
    condition = alltrue(flatten([
      for s in data.aws_iam_policy_document.this.statement : [
        alltrue([for a in s.actions : !strcontains(a, "*")]),
        startswith(s.sid, "NoResourceLevel") || !contains(s.resources, "*"),
        !startswith(s.sid, "NoResourceLevel") || alltrue([for a in s.actions : startswith(a, "ec2:")]),
      ]
    ]))
    error_message = "a statement allows more"
  }
}

run "keeps_network_interfaces_from_the_code" {
  command = plan

  assert {
    condition = [
      for s in data.aws_iam_policy_document.this.statement : {
        actions   = sort(s.actions)
        condition = [for c in s.condition : "${c.test} ${c.variable} ${join(",", c.values)}"]
      } if s.effect == "Deny"
      ] == [{
        actions   = sort(local.eni)
        condition = ["ArnEquals lambda:SourceFunctionArn arn:aws:lambda:eu-central-1:111122223333:function:recflow-stream"]
    }]
    error_message = "the function's code may change the network"
  }
}

run "uses_the_key_through_named_services_only" {
  command = plan

  assert {
    condition = toset(flatten([
      for s in data.aws_iam_policy_document.this.statement : [for c in s.condition : "${c.variable} ${join(",", sort(c.values))}"]
      if anytrue([for a in s.actions : startswith(a, "kms:")])
      ])) == toset([
      "kms:ViaService kinesis.eu-central-1.amazonaws.com,s3.eu-central-1.amazonaws.com",
      "kms:EncryptionContext:aws:lambda:FunctionArn arn:aws:lambda:eu-central-1:111122223333:function:recflow-stream",
    ])
    error_message = "the key can be used for another purpose"
  }
}

run "rejects_less_concurrency_than_one_shard_needs" {
  command = plan

  variables {
    reserved_concurrency = 1
  }

  expect_failures = [aws_lambda_function.this]
}

run "rejects_more_concurrency_than_the_account_can_reserve" {
  command = plan

  override_data {
    target = data.aws_servicequotas_service_quota.concurrency
    values = { value = 109 }
  }

  expect_failures = [aws_lambda_function.this]
}

run "rejects_concurrency_in_an_account_with_the_first_limit" {
  command = plan

  override_data {
    target = data.aws_servicequotas_service_quota.concurrency
    values = { value = 10 }
  }

  expect_failures = [aws_lambda_function.this]
}

run "reserves_nothing_where_the_limit_is_low" {
  command = plan

  variables {
    reserved_concurrency = -1
  }

  assert {
    condition     = aws_lambda_function.this.reserved_concurrent_executions == -1 && length(data.aws_servicequotas_service_quota.concurrency) == 0
    error_message = "concurrency is reserved, or the quota is read"
  }
}

run "rejects_a_function_that_was_not_packaged" {
  command = plan

  variables {
    zip_path = "tests/missing.zip"
  }

  expect_failures = [var.zip_path]
}

run "rejects_the_name_that_packages_have_for_an_architecture" {
  command = plan

  variables {
    architecture = "amd64"
  }

  expect_failures = [var.architecture]
}

run "rejects_a_password_in_the_address" {
  command = plan

  variables {
    database = { url = "postgres://recflow_stream:secret@db:5432/recflow?sslmode=verify-full", resource_arn = "arn:aws:rds-db:eu-central-1:111122223333:dbuser:db-X/u" }
  }

  expect_failures = [var.database]
}

run "rejects_a_token_for_an_unknown_server" {
  command = plan

  variables {
    database = { url = "postgres://recflow_stream@db:5432/recflow?sslmode=require", resource_arn = "arn:aws:rds-db:eu-central-1:111122223333:dbuser:db-X/u" }
  }

  expect_failures = [var.database]
}

run "rejects_a_token_for_any_user" {
  command = plan

  variables {
    database = { url = "postgres://recflow_stream@db:5432/recflow?sslmode=verify-full", resource_arn = "arn:aws:rds-db:eu-central-1:111122223333:dbuser:db-X/*" }
  }

  expect_failures = [var.database]
}

run "rejects_a_token_for_no_user" {
  command = plan

  variables {
    database = { url = "postgres://recflow_stream@db:5432/recflow?sslmode=verify-full" }
  }

  expect_failures = [var.database]
}

run "rejects_an_unknown_way_to_sign_in" {
  command = plan

  variables {
    database = { url = "postgres://recflow_stream@db:5432/recflow?sslmode=verify-full", auth = "trust" }
  }

  expect_failures = [var.database]
}

run "rejects_retries_without_a_bound" {
  command = plan

  variables {
    mapping = { batch_size = 500, window_seconds = 1, parallelization = 2, starting_position = "LATEST", max_retries = -1, max_record_age_seconds = 3600 }
  }

  expect_failures = [var.mapping]
}

run "rejects_an_age_without_a_bound" {
  command = plan

  variables {
    mapping = { batch_size = 500, window_seconds = 1, parallelization = 2, starting_position = "LATEST", max_retries = 10, max_record_age_seconds = -1 }
  }

  expect_failures = [var.mapping]
}

run "rejects_batches_that_are_too_large" {
  command = plan

  variables {
    mapping = { batch_size = 10001, window_seconds = 1, parallelization = 2, starting_position = "LATEST", max_retries = 10, max_record_age_seconds = 3600 }
  }

  expect_failures = [var.mapping]
}

run "rejects_a_window_that_is_too_long" {
  command = plan

  variables {
    mapping = { batch_size = 500, window_seconds = 301, parallelization = 2, starting_position = "LATEST", max_retries = 10, max_record_age_seconds = 3600 }
  }

  expect_failures = [var.mapping]
}

run "rejects_more_parallel_batches_than_lambda_has" {
  command = plan

  variables {
    reserved_concurrency = 20
    mapping              = { batch_size = 500, window_seconds = 1, parallelization = 11, starting_position = "LATEST", max_retries = 10, max_record_age_seconds = 3600 }
  }

  expect_failures = [var.mapping]
}

run "rejects_a_start_that_needs_a_time" {
  command = plan

  variables {
    mapping = { batch_size = 500, window_seconds = 1, parallelization = 2, starting_position = "AT_TIMESTAMP", max_retries = 10, max_record_age_seconds = 3600 }
  }

  expect_failures = [var.mapping]
}

run "rejects_a_setting_that_the_module_makes" {
  command = plan

  variables {
    environment = { RECFLOW_DATABASE_MAX_CONNS = "20" }
  }

  expect_failures = [var.environment]
}

run "rejects_a_secret_among_the_settings" {
  command = plan

  variables {
    environment = { RECFLOW_DATABASE_PASSWORD = "x" }
  }

  expect_failures = [var.environment]
}

run "rejects_names_and_arns_that_differ" {
  command = plan

  variables {
    delivery = {
      names = { events = "e", recommendations = "r", quarantine = "q" }
      arns = {
        events          = "arn:aws:firehose:eu-central-1:111122223333:deliverystream/r"
        recommendations = "arn:aws:firehose:eu-central-1:111122223333:deliverystream/e"
        quarantine      = "arn:aws:firehose:eu-central-1:111122223333:deliverystream/q"
      }
    }
  }

  expect_failures = [var.delivery]
}

run "rejects_a_single_subnet" {
  command = plan

  variables {
    network = { subnet_ids = ["subnet-1"], security_group_id = "sg-1" }
  }

  expect_failures = [var.network]
}

run "rejects_streams_and_keys_by_pattern" {
  command = plan

  variables {
    stream_arn  = "arn:aws:kinesis:eu-central-1:111122223333:stream/*"
    kms_key_arn = "arn:aws:kms:eu-central-1:111122223333:alias/recflow"
    bucket      = { name = "b", arn = "arn:aws:s3:::c" }
  }

  expect_failures = [var.stream_arn, var.kms_key_arn, var.bucket]
}

run "rejects_sizes_that_lambda_has_not" {
  command = plan

  variables {
    memory_mb            = 64
    timeout_seconds      = 901
    reserved_concurrency = 1001
    log_retention_days   = 31
  }

  expect_failures = [var.memory_mb, var.timeout_seconds, var.reserved_concurrency, var.log_retention_days]
}

run "rejects_a_bad_prefix" {
  command = plan

  variables {
    name_prefix = "1recflow"
  }

  expect_failures = [var.name_prefix]
}
