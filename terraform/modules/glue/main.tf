data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  name = "${var.name_prefix}-train"

  # Log group of a job with a security configuration: Glue chooses the name.
  log_groups = {
    for kind in ["error", "output"] :
    kind => "/aws-glue/jobs/${local.name}-role/${aws_iam_role.this.name}/${kind}"
  }
}

resource "aws_glue_job" "this" {
  name                   = local.name
  description            = "Trains embeddings: validate, train, evaluate, manifest"
  role_arn               = aws_iam_role.this.arn
  glue_version           = "5.0"
  worker_type            = var.worker_type
  number_of_workers      = var.workers
  timeout                = var.timeout_minutes
  security_configuration = aws_glue_security_configuration.this.name

  # The workflow retries runs, and waits while the job is at its maximum number of
  # concurrent runs.
  max_retries             = 0
  job_run_queuing_enabled = false

  command {
    name            = "glueetl"
    python_version  = "3"
    script_location = var.script_s3
  }

  execution_property {
    max_concurrent_runs = var.max_concurrent_runs
  }

  # The other arguments are set for each run: activities/start_glue_run.go.
  # Wheels are installed from the bucket, in any order, and nothing from an index.
  default_arguments = {
    "--additional-python-modules"       = join(",", var.wheels_s3)
    "--enable-metrics"                  = "true"
    "--extra-py-files"                  = var.package_s3
    "--job-bookmark-option"             = "job-bookmark-disable"
    "--job-language"                    = "python"
    "--python-modules-installer-option" = "--no-index --no-deps"
  }

  depends_on = [aws_cloudwatch_log_group.this, aws_iam_role_policy.this]
}

resource "aws_glue_security_configuration" "this" {
  name = local.name

  encryption_configuration {
    cloudwatch_encryption {
      cloudwatch_encryption_mode = "SSE-KMS"
      kms_key_arn                = var.kms_key_arn
    }

    job_bookmarks_encryption {
      job_bookmarks_encryption_mode = "CSE-KMS"
      kms_key_arn                   = var.kms_key_arn
    }

    s3_encryption {
      s3_encryption_mode = "SSE-KMS"
      kms_key_arn        = var.kms_key_arn
    }
  }
}

# Created here so that the logs are not retained forever.
resource "aws_cloudwatch_log_group" "this" {
  for_each = local.log_groups

  name              = each.value
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}
