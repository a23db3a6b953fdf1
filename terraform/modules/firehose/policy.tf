data "aws_iam_policy_document" "assume" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["firehose.amazonaws.com"]
    }

    # Firehose may assume the role for this account only.
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

data "aws_iam_policy_document" "this" {
  statement {
    sid     = "WriteOwnFolders"
    actions = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"]
    resources = concat(
      [for folder in values(local.folders) : "${var.bucket_arn}/${folder}/*"],
      [for name in keys(local.folders) : "${var.bucket_arn}/errors/${name}/*"],
    )
  }

  # The remaining actions that Firehose documents for a bucket.
  statement {
    sid       = "FindBucket"
    actions   = ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"]
    resources = [var.bucket_arn]
  }

  statement {
    sid       = "EncryptObjects"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [var.kms_key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["s3.${data.aws_region.current.name}.${data.aws_partition.current.dns_suffix}"]
    }

    # With a bucket key the encryption context is the bucket.
    condition {
      test     = "StringLike"
      variable = "kms:EncryptionContext:aws:s3:arn"
      values   = [var.bucket_arn, "${var.bucket_arn}/*"]
    }
  }

  statement {
    sid       = "WriteOwnLogs"
    actions   = ["logs:PutLogEvents"]
    resources = [for name in keys(local.folders) : "${aws_cloudwatch_log_group.this[name].arn}:log-stream:delivery"]
  }
}

resource "aws_iam_role" "this" {
  name               = "${var.name_prefix}-firehose"
  assume_role_policy = data.aws_iam_policy_document.assume.json
}

resource "aws_iam_role_policy" "this" {
  name   = "deliver"
  role   = aws_iam_role.this.id
  policy = data.aws_iam_policy_document.this.json
}
