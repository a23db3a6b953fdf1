mock_provider "aws" {
  override_during = plan

  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }

  mock_data "aws_region" {
    defaults = { name = "eu-central-1" }
  }

  mock_data "aws_partition" {
    defaults = { partition = "aws-cn", dns_suffix = "amazonaws.com.cn" }
  }

  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }

  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws-cn:kms:eu-central-1:111122223333:key/k", key_id = "k" }
  }

  mock_resource "aws_s3_bucket" {
    defaults = { id = "the-bucket", arn = "arn:aws-cn:s3:::the-bucket" }
  }
}

variables {
  name_prefix       = "recflow"
  glue_script_path  = "tests/code.py"
  glue_package_path = "tests/code.zip"
  glue_wheels_path  = "tests/wheels"
}

run "names_the_bucket_after_account_and_region" {
  command = plan

  assert {
    condition     = aws_s3_bucket.this.bucket == "recflow-111122223333-eu-central-1"
    error_message = "bucket is ${aws_s3_bucket.this.bucket}"
  }
}

run "keeps_a_bucket_with_data_unless_told_otherwise" {
  command = plan

  assert {
    condition     = !aws_s3_bucket.this.force_destroy
    error_message = "a destroy would delete the data"
  }
}

run "deletes_the_data_when_told_to" {
  command = plan

  variables {
    force_destroy = true
  }

  assert {
    condition     = aws_s3_bucket.this.force_destroy
    error_message = "force_destroy has no effect"
  }
}

run "keeps_everybody_out_who_has_no_role" {
  command = plan

  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.this.block_public_acls,
      aws_s3_bucket_public_access_block.this.block_public_policy,
      aws_s3_bucket_public_access_block.this.ignore_public_acls,
      aws_s3_bucket_public_access_block.this.restrict_public_buckets,
    ])
    error_message = "public access is not blocked"
  }

  assert {
    condition     = aws_s3_bucket_ownership_controls.this.rule[0].object_ownership == "BucketOwnerEnforced"
    error_message = "ACLs are on"
  }
}

run "refuses_requests_without_tls" {
  command = plan

  assert {
    condition = anytrue([
      for s in data.aws_iam_policy_document.bucket.statement :
      s.effect == "Deny" && s.actions == toset(["s3:*"])
      && s.resources == toset(["arn:aws-cn:s3:::the-bucket", "arn:aws-cn:s3:::the-bucket/*"])
      && anytrue([for p in s.principals : p.type == "*" && p.identifiers == toset(["*"])])
      && [for c in s.condition : "${c.test} ${c.variable} ${join(",", c.values)}"] == ["Bool aws:SecureTransport false"]
    ])
    error_message = "no statement denies requests without TLS"
  }

  assert {
    condition     = alltrue([for s in data.aws_iam_policy_document.bucket.statement : s.effect == "Deny"])
    error_message = "the bucket's policy allows something: only roles may do that"
  }
}

run "encrypts_everything_with_a_key_that_is_rotated" {
  command = plan

  assert {
    condition = alltrue([
      for r in aws_s3_bucket_server_side_encryption_configuration.this.rule :
      r.bucket_key_enabled
      && r.apply_server_side_encryption_by_default[0].sse_algorithm == "aws:kms"
      && r.apply_server_side_encryption_by_default[0].kms_master_key_id == aws_kms_key.this.arn
    ])
    error_message = "objects are not encrypted with the key"
  }

  assert {
    condition     = aws_kms_key.this.enable_key_rotation && aws_kms_key.this.deletion_window_in_days == 30
    error_message = "the key is not rotated, or is deleted too soon"
  }
}

run "lets_the_account_decide_about_the_key_through_iam" {
  command = plan

  assert {
    condition = anytrue([
      for s in data.aws_iam_policy_document.key.statement :
      contains(s.actions, "kms:Decrypt") && contains(s.actions, "kms:PutKeyPolicy")
      && [for p in s.principals : p.identifiers] == [toset(["arn:aws-cn:iam::111122223333:root"])]
    ])
    error_message = "the account is locked out of its key"
  }

  assert {
    condition     = alltrue([for s in data.aws_iam_policy_document.key.statement : alltrue([for a in s.actions : !strcontains(a, "*")])])
    error_message = "the key's policy has an action with a wildcard"
  }

  assert {
    condition = alltrue([
      for s in data.aws_iam_policy_document.key.statement :
      length(s.condition) > 0 || alltrue([for p in s.principals : p.type == "AWS"]) || s.sid == "NoResourceLevelEvents"
    ])
    error_message = "a service may use the key for other accounts"
  }

  assert {
    condition = contains(flatten([
      for s in data.aws_iam_policy_document.key.statement : [for p in s.principals : tolist(p.identifiers)]
    ]), "logs.eu-central-1.amazonaws.com.cn")
    error_message = "log groups cannot be encrypted"
  }
}

run "can_bring_back_what_was_replaced_or_deleted" {
  command = plan

  assert {
    condition     = aws_s3_bucket_versioning.this.versioning_configuration[0].status == "Enabled"
    error_message = "versions are not kept"
  }

  assert {
    condition = anytrue([
      for r in aws_s3_bucket_lifecycle_configuration.this.rule :
      r.id == "noncurrent-versions" && r.status == "Enabled"
      && [for n in r.noncurrent_version_expiration : n.noncurrent_days] == [30]
    ])
    error_message = "noncurrent versions are not kept for 30 days"
  }
}

run "removes_uploads_that_were_never_finished" {
  command = plan

  assert {
    condition = anytrue([
      for r in aws_s3_bucket_lifecycle_configuration.this.rule :
      r.status == "Enabled" && [for a in r.abort_incomplete_multipart_upload : a.days_after_initiation] == [7]
    ])
    error_message = "unfinished uploads stay"
  }
}

run "forgets_lists_and_what_could_not_be_used_and_nothing_else" {
  command = plan

  variables {
    lists_days           = 5
    recommendations_days = 11
    embeddings_days      = 9
    quarantine_days      = 7
  }

  assert {
    condition = {
      for r in aws_s3_bucket_lifecycle_configuration.this.rule : r.filter[0].prefix => r.expiration[0].days
      if !contains(["noncurrent-versions", "incomplete-uploads"], r.id)
      } == {
      "aws/lambda/"          = 7
      "embeddings/"          = 9
      "errors/"              = 7
      "list-users/"          = 5
      "lists/"               = 5
      "quarantine-payloads/" = 7
      "quarantine/"          = 7
      "recommendations/"     = 11
    }
    error_message = "the expiration of folders differs"
  }
}

run "uploads_the_code_again_when_it_changes" {
  command = plan

  assert {
    condition = { for key, o in aws_s3_object.code : key => o.source_hash } == {
      "code/glue_job.py"                       = filesha256("tests/code.py")
      "code/recflow-glue.zip"                  = filesha256("tests/code.zip")
      "code/wheels/boto3-1.0-py3-none-any.whl" = filesha256("tests/wheels/boto3-1.0-py3-none-any.whl")
      "code/wheels/numba-1.0-py3-none-any.whl" = filesha256("tests/wheels/numba-1.0-py3-none-any.whl")
    }
    error_message = "a change of the code would not be detected"
  }

  assert {
    condition     = output.glue_script_s3 == "s3://the-bucket/code/glue_job.py" && output.glue_package_s3 == "s3://the-bucket/code/recflow-glue.zip"
    error_message = "the addresses of the code are wrong"
  }

  assert {
    condition = output.glue_wheels_s3 == [
      "s3://the-bucket/code/wheels/boto3-1.0-py3-none-any.whl",
      "s3://the-bucket/code/wheels/numba-1.0-py3-none-any.whl",
    ]
    error_message = "the addresses of the wheels are wrong"
  }

  assert {
    condition = output.code_keys == tolist(concat(["code/glue_job.py", "code/recflow-glue.zip"], [
      for name in ["boto3", "numba"] : "code/wheels/${name}-1.0-py3-none-any.whl"
    ]))
    error_message = "code_keys is wrong"
  }
}

run "rejects_a_prefix_that_no_bucket_can_have" {
  command = plan

  variables {
    name_prefix = "RecFlow"
  }

  expect_failures = [var.name_prefix]
}

run "rejects_a_prefix_that_is_too_long" {
  command = plan

  variables {
    name_prefix = "a-name-that-is-longer-than-24"
  }

  expect_failures = [var.name_prefix]
}

run "rejects_code_that_was_not_packaged" {
  command = plan

  variables {
    glue_script_path  = "tests/missing.py"
    glue_package_path = "tests/missing.zip"
    glue_wheels_path  = "tests/missing"
  }

  expect_failures = [var.glue_script_path, var.glue_package_path, var.glue_wheels_path]
}

run "rejects_code_of_the_wrong_kind" {
  command = plan

  variables {
    glue_script_path  = "tests/code.zip"
    glue_package_path = "tests/code.py"
    glue_wheels_path  = "tests"
  }

  expect_failures = [var.glue_script_path, var.glue_package_path, var.glue_wheels_path]
}

run "rejects_days_below_one" {
  command = plan

  variables {
    noncurrent_days      = 0
    quarantine_days      = 0
    lists_days           = 0
    recommendations_days = -1
  }

  expect_failures = [var.noncurrent_days, var.quarantine_days, var.lists_days, var.recommendations_days]
}

run "rejects_parts_of_days" {
  command = plan

  variables {
    noncurrent_days      = 1.5
    quarantine_days      = 1.5
    lists_days           = 1.5
    recommendations_days = 1.5
  }

  expect_failures = [var.noncurrent_days, var.quarantine_days, var.lists_days, var.recommendations_days]
}

# KMS refuses EventBridge if a condition names the source.
run "events_reach_an_encrypted_topic" {
  command = plan

  assert {
    condition = [
      for s in data.aws_iam_policy_document.key.statement : length(s.condition)
      if contains(flatten([for p in s.principals : tolist(p.identifiers)]), "events.amazonaws.com")
    ] == [0]
    error_message = "the key's statement for EventBridge has a condition"
  }
}
