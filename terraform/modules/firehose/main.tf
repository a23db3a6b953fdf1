data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  # S3 prefix of each stream. An object's path has the hour (UTC) in which its first
  # record arrived.
  folders = {
    events          = "raw/events"
    recommendations = "recommendations"
    quarantine      = "quarantine"
  }

  hour = "dt=!{timestamp:yyyy-MM-dd}/hour=!{timestamp:HH}/"
}

# Producers terminate lines (lambda/write.go), so no processor is needed.
resource "aws_kinesis_firehose_delivery_stream" "this" {
  for_each = local.folders

  name        = "${var.name_prefix}-${each.key}"
  destination = "extended_s3"

  server_side_encryption {
    enabled  = true
    key_type = "CUSTOMER_MANAGED_CMK"
    key_arn  = var.kms_key_arn
  }

  extended_s3_configuration {
    role_arn            = aws_iam_role.this.arn
    bucket_arn          = var.bucket_arn
    kms_key_arn         = var.kms_key_arn
    prefix              = "${each.value}/${local.hour}"
    error_output_prefix = "errors/${each.key}/!{firehose:error-output-type}/${local.hour}"
    buffering_interval  = var.buffer_seconds
    buffering_size      = var.buffer_mib
    compression_format  = "GZIP"

    cloudwatch_logging_options {
      enabled         = true
      log_group_name  = aws_cloudwatch_log_group.this[each.key].name
      log_stream_name = aws_cloudwatch_log_stream.this[each.key].name
    }
  }

  depends_on = [aws_iam_role_policy.this]
}

# Firehose's messages about failed deliveries. They contain no record data.
resource "aws_cloudwatch_log_group" "this" {
  for_each = local.folders

  name              = "/aws/kinesisfirehose/${var.name_prefix}-${each.key}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_cloudwatch_log_stream" "this" {
  for_each = local.folders

  name           = "delivery"
  log_group_name = aws_cloudwatch_log_group.this[each.key].name
}
