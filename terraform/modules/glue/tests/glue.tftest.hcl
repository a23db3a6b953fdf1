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
    defaults = { arn = "arn:aws:iam::111122223333:role/recflow-train" }
  }

  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-central-1:111122223333:log-group:G" }
  }

  mock_resource "aws_glue_job" {
    defaults = { arn = "arn:aws:glue:eu-central-1:111122223333:job/recflow-train" }
  }
}

variables {
  name_prefix = "recflow"
  bucket      = { name = "b", arn = "arn:aws:s3:::b" }
  kms_key_arn = "arn:aws:kms:eu-central-1:111122223333:key/k"
  script_s3   = "s3://b/code/glue_job.py"
  package_s3  = "s3://b/code/recflow-glue.zip"
  wheels_s3   = ["s3://b/code/wheels/boto3-1.0-py3-none-any.whl", "s3://b/code/wheels/numba-1.0-py3-none-any.whl"]
}

run "runs_the_uploaded_code_on_glue_5" {
  command = plan

  assert {
    condition = (
      aws_glue_job.this.glue_version == "5.0"
      && aws_glue_job.this.command[0].name == "glueetl"
      && aws_glue_job.this.command[0].script_location == "s3://b/code/glue_job.py"
      && aws_glue_job.this.default_arguments["--extra-py-files"] == "s3://b/code/recflow-glue.zip"
    )
    error_message = "the job is not the packaged one on Glue 5"
  }
}

run "installs_the_uploaded_wheels_and_nothing_from_an_index" {
  command = plan

  assert {
    condition = (
      aws_glue_job.this.default_arguments["--additional-python-modules"] == "s3://b/code/wheels/boto3-1.0-py3-none-any.whl,s3://b/code/wheels/numba-1.0-py3-none-any.whl"
      && aws_glue_job.this.default_arguments["--python-modules-installer-option"] == "--no-index --no-deps"
    )
    error_message = "the job installs other modules, or from elsewhere"
  }
}

run "measures_and_logs_what_it_does" {
  command = plan

  assert {
    condition     = aws_glue_job.this.default_arguments["--enable-metrics"] == "true"
    error_message = "metrics are off"
  }

  assert {
    condition     = !contains(keys(aws_glue_job.this.default_arguments), "--enable-continuous-cloudwatch-log")
    error_message = "Glue 4 wrote to a log group for which the role has no permission"
  }

  assert {
    condition = output.log_groups == {
      error  = "/aws-glue/jobs/recflow-train-role/recflow-train/error"
      output = "/aws-glue/jobs/recflow-train-role/recflow-train/output"
    }
    error_message = "Glue would log elsewhere"
  }

  assert {
    condition     = alltrue([for g in aws_cloudwatch_log_group.this : g.kms_key_id == var.kms_key_arn && g.retention_in_days == 30])
    error_message = "a log is not encrypted, or is retained forever"
  }
}

run "tries_nothing_again_by_itself" {
  command = plan

  assert {
    condition     = aws_glue_job.this.max_retries == 0 && !aws_glue_job.this.job_run_queuing_enabled
    error_message = "Glue would start runs unknown to the workflow"
  }
}

run "has_room_for_the_runs_of_a_backfill" {
  command = plan

  assert {
    condition     = aws_glue_job.this.execution_property[0].max_concurrent_runs == 8
    error_message = "a backfill of 8 windows would wait"
  }
}

run "has_the_size_that_was_asked_for" {
  command = plan

  variables {
    workers             = 10
    worker_type         = "G.2X"
    timeout_minutes     = 30
    max_concurrent_runs = 2
  }

  assert {
    condition = (
      aws_glue_job.this.number_of_workers == 10 && aws_glue_job.this.worker_type == "G.2X"
      && aws_glue_job.this.timeout == 30 && aws_glue_job.this.execution_property[0].max_concurrent_runs == 2
    )
    error_message = "the job has another size"
  }
}

run "encrypts_objects_logs_and_bookmarks" {
  command = plan

  assert {
    condition = (
      aws_glue_job.this.security_configuration == aws_glue_security_configuration.this.name
      && aws_glue_security_configuration.this.encryption_configuration[0].s3_encryption[0].s3_encryption_mode == "SSE-KMS"
      && aws_glue_security_configuration.this.encryption_configuration[0].s3_encryption[0].kms_key_arn == var.kms_key_arn
      && aws_glue_security_configuration.this.encryption_configuration[0].cloudwatch_encryption[0].cloudwatch_encryption_mode == "SSE-KMS"
      && aws_glue_security_configuration.this.encryption_configuration[0].cloudwatch_encryption[0].kms_key_arn == var.kms_key_arn
      && aws_glue_security_configuration.this.encryption_configuration[0].job_bookmarks_encryption[0].job_bookmarks_encryption_mode == "CSE-KMS"
    )
    error_message = "something is not encrypted with the key"
  }
}

run "acts_for_this_account_only" {
  command = plan

  assert {
    condition = [for s in data.aws_iam_policy_document.assume.statement : {
      services  = flatten([for p in s.principals : tolist(p.identifiers)])
      condition = [for c in s.condition : "${c.test} ${c.variable} ${join(",", c.values)}"]
      }] == [{
      services  = ["glue.amazonaws.com"]
      condition = ["StringEquals aws:SourceAccount 111122223333"]
    }]
    error_message = "the trust policy differs"
  }
}

run "reads_its_input_and_writes_embeddings_only" {
  command = plan

  assert {
    condition = toset(flatten([
      for s in data.aws_iam_policy_document.this.statement : tolist(s.resources) if contains(s.actions, "s3:GetObject")
      ])) == toset([
      "arn:aws:s3:::b/raw/*", "arn:aws:s3:::b/code/*",
      "arn:aws:s3:::b/embeddings/*", "arn:aws:s3:::b/embeddings_$folder$",
    ])
    error_message = "it reads other objects"
  }

  assert {
    condition = toset(flatten([
      for s in data.aws_iam_policy_document.this.statement : tolist(s.resources)
      if contains(s.actions, "s3:PutObject") || contains(s.actions, "s3:DeleteObject")
    ])) == toset(["arn:aws:s3:::b/embeddings/*", "arn:aws:s3:::b/embeddings_$folder$"])
    error_message = "it writes other objects"
  }
}

run "lists_neither_recommendations_nor_quarantine" {
  command = plan

  assert {
    condition = [
      for s in data.aws_iam_policy_document.this.statement : [for c in s.condition : "${c.variable} ${join(",", sort(c.values))}"]
      if contains(s.actions, "s3:ListBucket")
    ] == [["s3:prefix code,code/*,embeddings,embeddings/*,raw,raw/*"]]
    error_message = "it lists other prefixes"
  }
}

run "allows_single_actions_on_named_resources" {
  command = plan

  assert {
    condition = alltrue(flatten([
      for s in data.aws_iam_policy_document.this.statement : [
        alltrue([for a in s.actions : !strcontains(a, "*")]),
        startswith(s.sid, "NoResourceLevel") || !contains(s.resources, "*"),
      ]
    ]))
    error_message = "a statement allows more"
  }

  assert {
    condition = [
      for s in data.aws_iam_policy_document.this.statement : {
        actions   = join(",", s.actions)
        condition = [for c in s.condition : "${c.variable} ${join(",", c.values)}"]
      } if contains(s.resources, "*")
      ] == [{
        actions   = "cloudwatch:PutMetricData"
        condition = ["cloudwatch:namespace Glue"]
    }]
    error_message = "something other than Glue's metrics has no resource"
  }
}

run "has_tables_with_the_columns_of_the_statements_for_athena" {
  command = plan

  # Each column of docs/athena/*.sql as "name type comment", in order.
  assert {
    condition = {
      for name, t in aws_glue_catalog_table.this : name => [
        for c in t.storage_descriptor[0].columns : trimspace("${c.name} ${c.type} ${c.comment == null ? "" : c.comment}")
      ]
      } == {
      for name in ["events", "lists", "quarantine", "recommendations"] : name => [
        for c in regexall("(?m)^  `(\\w+)` (\\S+?)(?: COMMENT '([^']*)')?,?$", split("PARTITIONED BY", file("../../../docs/athena/${name}.sql"))[0]) :
        trimspace("${c[0]} ${c[1]} ${c[2] == null ? "" : c[2]}")
      ]
    }
    error_message = "a table differs from its statement"
  }

  assert {
    condition     = alltrue([for t in aws_glue_catalog_table.this : length(t.storage_descriptor[0].columns) >= 6])
    error_message = "a table has too few columns: the statements were not parsed"
  }
}

run "has_tables_with_the_partitions_and_formats_of_the_statements" {
  command = plan

  variables {
    catalog_first_day = "2025-03-01"
  }

  assert {
    condition = {
      for name, t in aws_glue_catalog_table.this : name => { for key, value in t.parameters : key => value if key != "EXTERNAL" }
      } == {
      for name in ["events", "lists", "quarantine", "recommendations"] : name => {
        for p in regexall("'([a-z.]+)' = '([^']*)'", file("../../../docs/athena/${name}.sql")) :
        p[0] => replace(replace(p[1], "BUCKET", "b"), "FIRST-DAY", "2025-03-01")
      }
    }
    error_message = "a table projects other partitions than its statement"
  }

  assert {
    condition = {
      for name, t in aws_glue_catalog_table.this : name => [
        t.storage_descriptor[0].ser_de_info[0].serialization_library,
        t.storage_descriptor[0].input_format,
        t.storage_descriptor[0].output_format,
        t.storage_descriptor[0].location,
      ]
      } == {
      for name in ["events", "lists", "quarantine", "recommendations"] : name => [
        for p in regexall("(?:SERDE|INPUTFORMAT|OUTPUTFORMAT|LOCATION) '([^']*)'", file("../../../docs/athena/${name}.sql")) :
        replace(p[0], "BUCKET", "b")
      ]
    }
    error_message = "a table has another format than its statement"
  }

  assert {
    condition = {
      for name, t in aws_glue_catalog_table.this : name => [for k in t.partition_keys : "${k.name} ${k.type}"]
      } == {
      for name in ["events", "lists", "quarantine", "recommendations"] : name => [
        for p in regexall("(?m)^  `(\\w+)` (\\S+?),?$", split("PARTITIONED BY", file("../../../docs/athena/${name}.sql"))[1]) : "${p[0]} ${p[1]}"
      ]
    }
    error_message = "a table has other partitions than its statement"
  }

  assert {
    condition     = output.catalog_database == "recflow"
    error_message = "the database is ${output.catalog_database}"
  }
}

run "makes_no_tables_without_a_catalog" {
  command = plan

  variables {
    catalog = false
  }

  assert {
    condition     = length(aws_glue_catalog_database.this) == 0 && length(aws_glue_catalog_table.this) == 0 && output.catalog_database == null
    error_message = "there is a catalog"
  }
}

run "rejects_code_from_elsewhere" {
  command = plan

  variables {
    script_s3  = "s3://other/code/glue_job.py"
    package_s3 = "s3://b/raw/recflow-glue.zip"
    wheels_s3  = ["s3://b/code/wheels/numba-1.0-py3-none-any.whl", "s3://b/raw/boto3-1.0-py3-none-any.whl"]
  }

  expect_failures = [var.script_s3, var.package_s3, var.wheels_s3]
}

run "rejects_modules_from_an_index" {
  command = plan

  variables {
    wheels_s3 = ["s3://b/code/wheels/numba-1.0-py3-none-any.whl", "boto3==1.0"]
  }

  expect_failures = [var.wheels_s3]
}

run "rejects_a_job_without_wheels" {
  command = plan

  variables {
    wheels_s3 = []
  }

  expect_failures = [var.wheels_s3]
}

run "rejects_a_job_without_numba" {
  command = plan

  variables {
    wheels_s3 = ["s3://b/code/wheels/boto3-1.0-py3-none-any.whl"]
  }

  expect_failures = [var.wheels_s3]
}

run "rejects_a_driver_without_a_worker" {
  command = plan

  variables {
    workers = 1
  }

  expect_failures = [var.workers]
}

run "rejects_workers_that_glue_has_not" {
  command = plan

  variables {
    worker_type = "Standard"
  }

  expect_failures = [var.worker_type]
}

run "rejects_runs_without_an_end" {
  command = plan

  variables {
    timeout_minutes     = 0
    max_concurrent_runs = 0
  }

  expect_failures = [var.timeout_minutes, var.max_concurrent_runs]
}

run "rejects_a_bucket_by_pattern_and_a_key_by_its_alias" {
  command = plan

  variables {
    bucket      = { name = "b", arn = "arn:aws:s3:::*" }
    kms_key_arn = "arn:aws:kms:eu-central-1:111122223333:alias/recflow"
  }

  expect_failures = [var.bucket, var.kms_key_arn]
}

run "rejects_a_day_that_is_none" {
  command = plan

  variables {
    catalog_first_day = "2025-02-30"
  }

  expect_failures = [var.catalog_first_day]
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
    name_prefix = "Recflow"
  }

  expect_failures = [var.name_prefix]
}
