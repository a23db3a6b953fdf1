locals {
  eni = [
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
  ]
}

data "aws_iam_policy_document" "assume" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "this" {
  #checkov:skip=CKV_AWS_111:only the network interfaces are without a narrower resource, because EC2 knows none, and the last statement denies them to the code

  # Lambda's poller reads with this role.
  statement {
    sid = "ReadStream"
    actions = [
      "kinesis:DescribeStream",
      "kinesis:DescribeStreamSummary",
      "kinesis:GetRecords",
      "kinesis:GetShardIterator",
      "kinesis:ListShards",
    ]
    resources = [var.stream_arn]
  }

  statement {
    sid       = "Deliver"
    actions   = ["firehose:PutRecordBatch"]
    resources = [var.delivery.arns.events, var.delivery.arns.quarantine, var.delivery.arns.recommendations]
  }

  statement {
    sid       = "WriteLargeAndFailed"
    actions   = ["s3:PutObject"]
    resources = ["${var.bucket.arn}/${local.payloads}*", "${var.bucket.arn}/${local.failures}*"]
  }

  # Lambda requires it for a failure destination and does not document a prefix.
  statement {
    sid       = "FindFailureDestination"
    actions   = ["s3:ListBucket"]
    resources = [var.bucket.arn]
  }

  dynamic "statement" {
    for_each = var.database.auth == "iam" ? [var.database.resource_arn] : []

    content {
      sid       = "SignInToDatabase"
      actions   = ["rds-db:connect"]
      resources = [statement.value]
    }
  }

  statement {
    sid       = "WriteOwnLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.this.arn}:*"]
  }

  statement {
    sid       = "UseKeyForStreamAndBucket"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [var.kms_key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values = [
        for service in ["kinesis", "s3"] :
        "${service}.${data.aws_region.current.name}.${data.aws_partition.current.dns_suffix}"
      ]
    }
  }

  statement {
    sid       = "ReadOwnSettings"
    actions   = ["kms:Decrypt"]
    resources = [var.kms_key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:EncryptionContext:aws:lambda:FunctionArn"
      values   = [local.arn]
    }
  }

  # Lambda attaches the function to the VPC with this role. EC2 has no narrower resource
  # for these actions.
  statement {
    sid       = "NoResourceLevelNetworkInterfaces"
    actions   = local.eni
    resources = ["*"]
  }

  # Needed by the service only, so denied to the function's code.
  statement {
    sid       = "NoResourceLevelNotFromTheCode"
    effect    = "Deny"
    actions   = local.eni
    resources = ["*"]

    condition {
      test     = "ArnEquals"
      variable = "lambda:SourceFunctionArn"
      values   = [local.arn]
    }
  }
}

resource "aws_iam_role" "this" {
  name               = local.name
  assume_role_policy = data.aws_iam_policy_document.assume.json
}

resource "aws_iam_role_policy" "this" {
  name   = "stream"
  role   = aws_iam_role.this.id
  policy = data.aws_iam_policy_document.this.json
}
