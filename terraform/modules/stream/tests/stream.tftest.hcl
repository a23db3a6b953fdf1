mock_provider "aws" {
  override_during = plan

  mock_resource "aws_kinesis_stream" {
    defaults = { arn = "arn:aws:kinesis:eu-central-1:111122223333:stream/recflow-events" }
  }
}

variables {
  name_prefix = "recflow"
  kms_key_arn = "arn:aws:kms:eu-central-1:111122223333:key/k"
}

run "scales_by_itself_unless_told_otherwise" {
  command = plan

  assert {
    condition     = aws_kinesis_stream.this.stream_mode_details[0].stream_mode == "ON_DEMAND"
    error_message = "mode is ${aws_kinesis_stream.this.stream_mode_details[0].stream_mode}"
  }

  assert {
    condition     = aws_kinesis_stream.this.shard_count == null
    error_message = "an on-demand stream has no number of shards"
  }
}

run "has_the_shards_that_were_asked_for" {
  command = plan

  variables {
    mode   = "PROVISIONED"
    shards = 4
  }

  assert {
    condition     = aws_kinesis_stream.this.stream_mode_details[0].stream_mode == "PROVISIONED" && aws_kinesis_stream.this.shard_count == 4
    error_message = "the stream does not have 4 shards"
  }
}

run "encrypts_with_the_key" {
  command = plan

  assert {
    condition     = aws_kinesis_stream.this.encryption_type == "KMS" && aws_kinesis_stream.this.kms_key_id == var.kms_key_arn
    error_message = "records are not encrypted with the key"
  }
}

run "keeps_records_for_a_day_unless_told_otherwise" {
  command = plan

  assert {
    condition     = aws_kinesis_stream.this.retention_period == 24
    error_message = "retention is ${aws_kinesis_stream.this.retention_period}"
  }
}

run "pays_for_no_metrics_of_shards" {
  command = plan

  assert {
    condition     = length(coalesce(aws_kinesis_stream.this.shard_level_metrics, [])) == 0
    error_message = "metrics of shards are on"
  }
}

run "shows_a_hot_shard" {
  command = plan

  variables {
    shard_metrics = true
  }

  assert {
    condition = length(setsubtract(
      ["WriteProvisionedThroughputExceeded", "IncomingBytes", "IncomingRecords", "IteratorAgeMilliseconds"],
      aws_kinesis_stream.this.shard_level_metrics,
    )) == 0
    error_message = "a metric of the shards is missing"
  }
}

run "says_what_others_need" {
  command = plan

  assert {
    condition     = output.name == "recflow-events" && endswith(output.arn, ":stream/recflow-events")
    error_message = "the outputs are wrong"
  }
}

run "rejects_shards_of_a_stream_on_demand" {
  command = plan

  variables {
    shards = 2
  }

  expect_failures = [aws_kinesis_stream.this]
}

run "rejects_a_provisioned_stream_without_shards" {
  command = plan

  variables {
    mode = "PROVISIONED"
  }

  expect_failures = [aws_kinesis_stream.this]
}

run "rejects_an_unknown_mode" {
  command = plan

  variables {
    mode = "on-demand"
  }

  expect_failures = [var.mode]
}

run "rejects_no_shards" {
  command = plan

  variables {
    mode   = "PROVISIONED"
    shards = 0
  }

  expect_failures = [var.shards]
}

run "rejects_a_retention_that_kinesis_has_not" {
  command = plan

  variables {
    retention_hours = 23
  }

  expect_failures = [var.retention_hours]
}

run "rejects_a_key_by_its_alias" {
  command = plan

  variables {
    kms_key_arn = "arn:aws:kms:eu-central-1:111122223333:alias/recflow"
  }

  expect_failures = [var.kms_key_arn]
}

run "rejects_a_bad_prefix" {
  command = plan

  variables {
    name_prefix = "recflow-"
  }

  expect_failures = [var.name_prefix]
}
