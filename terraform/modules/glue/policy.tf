data "aws_iam_policy_document" "assume" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["glue.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

data "aws_iam_policy_document" "this" {
  statement {
    sid       = "ReadInput"
    actions   = ["s3:GetObject"]
    resources = [for folder in ["code", "raw"] : "${var.bucket.arn}/${folder}/*"]
  }

  # Delete: for Spark's committer, and to clean up after failed attempts.
  statement {
    sid = "WriteEmbeddings"
    actions = [
      "s3:AbortMultipartUpload",
      "s3:DeleteObject",
      "s3:GetObject",
      "s3:ListMultipartUploadParts",
      "s3:PutObject",
    ]
    resources = ["${var.bucket.arn}/embeddings/*"]
  }

  # Glue's file system creates a marker object next to the folder.
  statement {
    sid       = "MarkEmbeddings"
    actions   = ["s3:GetObject", "s3:PutObject"]
    resources = ["${var.bucket.arn}/embeddings_$folder$"]
  }

  # A request for one object has no prefix. Without this permission S3 returns 403
  # instead of 404 for a missing object.
  statement {
    sid       = "ListInputAndEmbeddings"
    actions   = ["s3:ListBucket"]
    resources = [var.bucket.arn]

    condition {
      test     = "StringLikeIfExists"
      variable = "s3:prefix"
      values   = flatten([for folder in ["code", "embeddings", "raw"] : [folder, "${folder}/*"]])
    }
  }

  statement {
    sid       = "FindBucket"
    actions   = ["s3:GetBucketLocation"]
    resources = [var.bucket.arn]
  }

  statement {
    sid       = "UseKeyForBucket"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [var.kms_key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["s3.${data.aws_region.current.name}.${data.aws_partition.current.dns_suffix}"]
    }
  }

  statement {
    sid       = "WriteOwnLogs"
    actions   = ["logs:AssociateKmsKey", "logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
    resources = flatten([for group in aws_cloudwatch_log_group.this : [group.arn, "${group.arn}:*"]])
  }

  # CloudWatch metrics have no resource-level permissions, only a namespace condition.
  statement {
    sid       = "NoResourceLevelMetrics"
    actions   = ["cloudwatch:PutMetricData"]
    resources = ["*"]

    condition {
      test     = "StringEquals"
      variable = "cloudwatch:namespace"
      values   = ["Glue"]
    }
  }
}

resource "aws_iam_role" "this" {
  name               = local.name
  assume_role_policy = data.aws_iam_policy_document.assume.json
}

resource "aws_iam_role_policy" "this" {
  name   = "train"
  role   = aws_iam_role.this.id
  policy = data.aws_iam_policy_document.this.json
}
