data "aws_caller_identity" "current" {}

data "aws_region" "current" {}

locals {
  # Bucket names are unique within a partition.
  bucket = "${var.name_prefix}-${data.aws_caller_identity.current.account_id}-${data.aws_region.current.name}"

  # Retention of a folder's objects, in days. raw/ and code/ are kept until they are
  # deleted. The database has what a version needs.
  kept = {
    "embeddings/"          = var.embeddings_days
    "list-users/"          = var.lists_days
    "lists/"               = var.lists_days
    "recommendations/"     = var.recommendations_days
    "quarantine/"          = var.quarantine_days
    "quarantine-payloads/" = var.quarantine_days
    "errors/"              = var.quarantine_days
    "aws/lambda/"          = var.quarantine_days
  }

  wheels = { for file in fileset(var.glue_wheels_path, "*.whl") : "code/wheels/${file}" => "${var.glue_wheels_path}/${file}" }
  code = merge(local.wheels, {
    "code/glue_job.py"      = var.glue_script_path
    "code/recflow-glue.zip" = var.glue_package_path
  })
}

resource "aws_s3_bucket" "this" {
  #checkov:skip=CKV_AWS_18:CloudTrail data events of the account record access; server access logs need a second bucket without this key
  #checkov:skip=CKV_AWS_144:user data stays in its region; versioning protects against accidental deletion
  #checkov:skip=CKV2_AWS_62:no consumer: trainings start on a schedule or by API call, and Firehose reports its own failures

  bucket        = local.bucket
  force_destroy = var.force_destroy

  # A destroy starts with the bucket. If S3 refuses because it contains data, the key is
  # kept: without the key the data would be lost.
  depends_on = [aws_kms_key.this]
}

resource "aws_s3_bucket_ownership_controls" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "this" {
  bucket = aws_s3_bucket.this.id

  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_versioning" "this" {
  bucket = aws_s3_bucket.this.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    bucket_key_enabled = true

    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.this.arn
    }
  }
}

data "aws_iam_policy_document" "bucket" {
  statement {
    sid       = "DenyWithoutTLS"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.this.arn, "${aws_s3_bucket.this.arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_s3_bucket_policy" "this" {
  bucket = aws_s3_bucket.this.id
  policy = data.aws_iam_policy_document.bucket.json

  # S3 rejects concurrent changes of a bucket's access.
  depends_on = [aws_s3_bucket_public_access_block.this]
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    id     = "noncurrent-versions"
    status = "Enabled"

    filter {}

    noncurrent_version_expiration {
      noncurrent_days = var.noncurrent_days
    }

    expiration {
      expired_object_delete_marker = true
    }
  }

  rule {
    id     = "incomplete-uploads"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  dynamic "rule" {
    for_each = local.kept

    content {
      id     = replace(trimsuffix(rule.key, "/"), "/", "-")
      status = "Enabled"

      filter {
        prefix = rule.key
      }

      expiration {
        days = rule.value
      }
    }
  }

  # Noncurrent versions exist only with versioning.
  depends_on = [aws_s3_bucket_versioning.this]
}

resource "aws_s3_object" "code" {
  for_each = local.code

  bucket = aws_s3_bucket.this.id
  key    = each.key
  source = each.value
  # The ETag of a KMS-encrypted object is not a digest.
  source_hash = filesha256(each.value)

  depends_on = [
    aws_s3_bucket_ownership_controls.this,
    aws_s3_bucket_server_side_encryption_configuration.this,
    aws_s3_bucket_versioning.this,
  ]
}
