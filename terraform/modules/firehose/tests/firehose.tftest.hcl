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

  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111122223333:role/recflow-firehose" }
  }

  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-central-1:111122223333:log-group:G" }
  }

  mock_resource "aws_kinesis_firehose_delivery_stream" {
    defaults = { arn = "arn:aws:firehose:eu-central-1:111122223333:deliverystream/D" }
  }
}

variables {
  name_prefix = "recflow"
  bucket_arn  = "arn:aws:s3:::b"
  bucket_name = "b"
  kms_key_arn = "arn:aws:kms:eu-central-1:111122223333:key/k"
}

run "delivers_to_the_folders_that_training_and_athena_read" {
  command = plan

  assert {
    condition = { for key, s in aws_kinesis_firehose_delivery_stream.this : key => s.extended_s3_configuration[0].prefix } == {
      events          = "raw/events/dt=!{timestamp:yyyy-MM-dd}/hour=!{timestamp:HH}/"
      recommendations = "recommendations/dt=!{timestamp:yyyy-MM-dd}/hour=!{timestamp:HH}/"
      quarantine      = "quarantine/dt=!{timestamp:yyyy-MM-dd}/hour=!{timestamp:HH}/"
    }
    error_message = "a prefix is wrong"
  }
}

run "keeps_errors_out_of_those_folders" {
  command = plan

  assert {
    condition = alltrue([
      for key, s in aws_kinesis_firehose_delivery_stream.this :
      s.extended_s3_configuration[0].error_output_prefix
      == "errors/${key}/!{firehose:error-output-type}/dt=!{timestamp:yyyy-MM-dd}/hour=!{timestamp:HH}/"
    ])
    error_message = "an error prefix is wrong"
  }
}

run "compresses_and_changes_nothing_on_the_way" {
  command = plan

  assert {
    condition = alltrue([
      for s in aws_kinesis_firehose_delivery_stream.this :
      s.extended_s3_configuration[0].compression_format == "GZIP"
      && length(s.extended_s3_configuration[0].processing_configuration) == 0
      && length(s.extended_s3_configuration[0].data_format_conversion_configuration) == 0
    ])
    error_message = "records are not delivered unchanged as gzip"
  }
}

run "buffers_as_it_was_told" {
  command = plan

  variables {
    buffer_seconds = 300
    buffer_mib     = 5
  }

  assert {
    condition = alltrue([
      for s in aws_kinesis_firehose_delivery_stream.this :
      s.extended_s3_configuration[0].buffering_interval == 300 && s.extended_s3_configuration[0].buffering_size == 5
    ])
    error_message = "the buffers differ"
  }
}

run "encrypts_streams_objects_and_logs" {
  command = plan

  assert {
    condition = alltrue([
      for s in aws_kinesis_firehose_delivery_stream.this :
      s.server_side_encryption[0].enabled
      && s.server_side_encryption[0].key_type == "CUSTOMER_MANAGED_CMK"
      && s.server_side_encryption[0].key_arn == var.kms_key_arn
      && s.extended_s3_configuration[0].kms_key_arn == var.kms_key_arn
    ])
    error_message = "a delivery stream is not encrypted with the key"
  }

  assert {
    condition     = alltrue([for g in aws_cloudwatch_log_group.this : g.kms_key_id == var.kms_key_arn && g.retention_in_days == 30])
    error_message = "a log group is not encrypted, or is retained forever"
  }
}

run "says_why_a_delivery_failed" {
  command = plan

  assert {
    condition = alltrue([
      for key, s in aws_kinesis_firehose_delivery_stream.this :
      s.extended_s3_configuration[0].cloudwatch_logging_options[0].enabled
      && s.extended_s3_configuration[0].cloudwatch_logging_options[0].log_group_name == "/aws/kinesisfirehose/recflow-${key}"
      && s.extended_s3_configuration[0].cloudwatch_logging_options[0].log_stream_name == aws_cloudwatch_log_stream.this[key].name
    ])
    error_message = "errors are not logged"
  }
}

run "acts_for_this_account_only" {
  command = plan

  assert {
    condition = [for s in data.aws_iam_policy_document.assume.statement : {
      actions   = tolist(s.actions)
      services  = flatten([for p in s.principals : tolist(p.identifiers)])
      condition = [for c in s.condition : [c.test, c.variable, c.values[0]]]
      }] == [{
      actions   = tolist(["sts:AssumeRole"])
      services  = ["firehose.amazonaws.com"]
      condition = [["StringEquals", "aws:SourceAccount", "111122223333"]]
    }]
    error_message = "the trust policy differs"
  }
}

run "writes_its_own_folders_and_nothing_else" {
  command = plan

  assert {
    condition = toset(flatten([
      for s in data.aws_iam_policy_document.this.statement : tolist(s.resources) if contains(s.actions, "s3:PutObject")
      ])) == toset([
      "arn:aws:s3:::b/raw/events/*", "arn:aws:s3:::b/recommendations/*", "arn:aws:s3:::b/quarantine/*",
      "arn:aws:s3:::b/errors/events/*", "arn:aws:s3:::b/errors/recommendations/*", "arn:aws:s3:::b/errors/quarantine/*",
    ])
    error_message = "it writes elsewhere, or lacks a write permission"
  }

  assert {
    condition = alltrue([
      for s in data.aws_iam_policy_document.this.statement :
      alltrue([for a in s.actions : !strcontains(a, "*")]) && !contains(s.resources, "*")
    ])
    error_message = "a statement allows more than single actions on named resources"
  }
}

run "uses_the_key_for_objects_of_the_bucket_only" {
  command = plan

  assert {
    condition = [
      for s in data.aws_iam_policy_document.this.statement : toset([for c in s.condition : "${c.variable} ${c.values[0]}"])
      if anytrue([for a in s.actions : startswith(a, "kms:")])
      ] == [toset([
        "kms:ViaService s3.eu-central-1.amazonaws.com",
        "kms:EncryptionContext:aws:s3:arn arn:aws:s3:::b",
    ])]
    error_message = "the key can be used for another purpose"
  }
}

run "names_all_three_for_the_producer" {
  command = plan

  assert {
    condition = output.names == {
      events = "recflow-events", recommendations = "recflow-recommendations", quarantine = "recflow-quarantine"
    }
    error_message = "names are wrong"
  }

  assert {
    condition     = keys(output.arns) == keys(output.names) && output.role_arn == "arn:aws:iam::111122223333:role/recflow-firehose"
    error_message = "arns or role_arn are wrong"
  }
}

run "rejects_a_key_of_the_bucket_instead_of_the_bucket" {
  command = plan

  variables {
    bucket_arn  = "arn:aws:s3:::b/raw"
    bucket_name = "b/raw"
  }

  expect_failures = [var.bucket_arn]
}

run "rejects_two_buckets" {
  command = plan

  variables {
    bucket_name = "other"
  }

  expect_failures = [var.bucket_name]
}

run "rejects_a_key_by_its_alias" {
  command = plan

  variables {
    kms_key_arn = "arn:aws:kms:eu-central-1:111122223333:alias/recflow"
  }

  expect_failures = [var.kms_key_arn]
}

run "rejects_buffers_that_firehose_has_not" {
  command = plan

  variables {
    buffer_seconds = 901
    buffer_mib     = 129
  }

  expect_failures = [var.buffer_seconds, var.buffer_mib]
}

run "rejects_a_retention_that_logs_have_not" {
  command = plan

  variables {
    log_retention_days = 31
  }

  expect_failures = [var.log_retention_days]
}

run "rejects_a_bad_prefix" {
  command = plan

  variables {
    name_prefix = "r"
  }

  expect_failures = [var.name_prefix]
}
