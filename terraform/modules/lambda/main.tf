data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

# The account's limit of concurrent executions. New accounts start with 10.
data "aws_servicequotas_service_quota" "concurrency" {
  count = var.reserved_concurrency == -1 ? 0 : 1

  service_code = "lambda"
  quota_code   = "L-B99A9384"
}

locals {
  unreserved = 100 # concurrent executions that Lambda does not let an account reserve

  name = "${var.name_prefix}-stream"
  arn = join(":", [
    "arn", data.aws_partition.current.partition, "lambda", data.aws_region.current.name,
    data.aws_caller_identity.current.account_id, "function", local.name,
  ])

  # Where Lambda puts discarded batches: aws/lambda/<mapping>/<shard>/…. The mapping's
  # ID is not known when the role is created.
  failures = "aws/lambda/"

  # Where the function puts records that are too large for a delivery stream:
  # stream.PayloadPrefix.
  payloads = "quarantine-payloads/"

  # Settings read by internal/config (ReadLambda).
  settings = {
    RECFLOW_BUCKET                   = var.bucket.name
    RECFLOW_DATABASE_AUTH            = var.database.auth
    RECFLOW_DATABASE_MAX_CONNS       = "2"
    RECFLOW_DATABASE_URL             = var.database.url
    RECFLOW_FIREHOSE_EVENTS          = var.delivery.names.events
    RECFLOW_FIREHOSE_QUARANTINE      = var.delivery.names.quarantine
    RECFLOW_FIREHOSE_RECOMMENDATIONS = var.delivery.names.recommendations
    RECFLOW_SEARCH                   = var.search
  }
}

resource "aws_lambda_function" "this" {
  #checkov:skip=CKV_AWS_116:a dead letter queue is for asynchronous calls; batches of the stream that fail go to the mapping's destination in the bucket
  #checkov:skip=CKV_AWS_272:the zip is the same bytes wherever it is built, so its hash in the plan says what runs; a signing profile would be the account's
  #checkov:skip=CKV_AWS_50:the code sends no traces, and its role would need two actions on every resource; EMF metrics say where the time goes

  function_name    = local.name
  description      = "Turns events into recommendations"
  role             = aws_iam_role.this.arn
  runtime          = "provided.al2023"
  handler          = "bootstrap"
  architectures    = [var.architecture]
  filename         = var.zip_path
  source_code_hash = filebase64sha256(var.zip_path)
  kms_key_arn      = var.kms_key_arn
  memory_size      = var.memory_mb
  timeout          = var.timeout_seconds

  # Also limits the connections to the database: two per environment.
  reserved_concurrent_executions = var.reserved_concurrency

  environment {
    variables = merge(var.environment, local.settings)
  }

  # RECFLOW_LOG_LEVEL filters the function's log; nothing is dropped here.
  logging_config {
    log_format            = "JSON"
    application_log_level = "TRACE"
    system_log_level      = "INFO"
    log_group             = aws_cloudwatch_log_group.this.name
  }

  vpc_config {
    subnet_ids         = var.network.subnet_ids
    security_group_ids = [var.network.security_group_id]
  }

  depends_on = [aws_iam_role_policy.this]

  lifecycle {
    precondition {
      condition     = var.reserved_concurrency == -1 || var.reserved_concurrency >= var.mapping.parallelization
      error_message = "reserved_concurrency must be at least mapping.parallelization: with less, batches of one shard throttle each other. Use shards × parallelization."
    }
    precondition {
      condition     = alltrue([for quota in data.aws_servicequotas_service_quota.concurrency : quota.value - var.reserved_concurrency >= min(local.unreserved, quota.value)])
      error_message = "Lambda cannot reserve ${var.reserved_concurrency} concurrent executions: ${local.unreserved} of the account's limit of ${try(data.aws_servicequotas_service_quota.concurrency[0].value, 0)} must stay unreserved. Request a limit of at least ${local.unreserved + var.reserved_concurrency} (Service Quotas, AWS Lambda, Concurrent executions), or set reserved_concurrency = -1 until you have it."
    }
  }
}

# Created before the function: the role may not create log groups.
resource "aws_cloudwatch_log_group" "this" {
  name              = "/aws/lambda/${local.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

# These settings belong together. With AWS's defaults a poison record blocks its shard
# until it expires, and is then lost.
resource "aws_lambda_event_source_mapping" "this" {
  function_name     = aws_lambda_function.this.arn
  event_source_arn  = var.stream_arn
  starting_position = var.mapping.starting_position

  batch_size                         = var.mapping.batch_size
  maximum_batching_window_in_seconds = var.mapping.window_seconds
  parallelization_factor             = var.mapping.parallelization

  function_response_types        = ["ReportBatchItemFailures"]
  bisect_batch_on_function_error = true
  maximum_retry_attempts         = var.mapping.max_retries
  maximum_record_age_in_seconds  = var.mapping.max_record_age_seconds

  destination_config {
    on_failure {
      destination_arn = var.bucket.arn
    }
  }

  # OnFailureDestinationDeliveredEventCount and DroppedEventCount are needed for the
  # alarm on discarded batches.
  metrics_config {
    metrics = ["EventCount"]
  }

  depends_on = [aws_iam_role_policy.this]
}
