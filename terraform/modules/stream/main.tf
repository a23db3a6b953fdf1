resource "aws_kinesis_stream" "this" {
  name             = "${var.name_prefix}-events"
  shard_count      = var.mode == "PROVISIONED" ? var.shards : null
  retention_period = var.retention_hours

  encryption_type = "KMS"
  kms_key_id      = var.kms_key_arn

  # A hot shard is not visible in the stream's totals. CloudWatch charges for each metric
  # of each shard.
  shard_level_metrics = var.shard_metrics ? [
    "IncomingBytes",
    "IncomingRecords",
    "IteratorAgeMilliseconds",
    "OutgoingBytes",
    "OutgoingRecords",
    "ReadProvisionedThroughputExceeded",
    "WriteProvisionedThroughputExceeded",
  ] : []

  stream_mode_details {
    stream_mode = var.mode
  }

  lifecycle {
    precondition {
      condition     = (var.mode == "PROVISIONED") == (var.shards != null)
      error_message = "shards must be set when mode is PROVISIONED, and only then."
    }
  }
}
