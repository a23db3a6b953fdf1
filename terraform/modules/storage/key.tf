data "aws_partition" "current" {}

locals {
  root_arn = "arn:${data.aws_partition.current.partition}:iam::${data.aws_caller_identity.current.account_id}:root"
  dns      = data.aws_partition.current.dns_suffix
  logs_arn = "arn:${data.aws_partition.current.partition}:logs:${data.aws_region.current.name}:${data.aws_caller_identity.current.account_id}:log-group:*"
}

resource "aws_kms_key" "this" {
  description             = "recflow: the bucket, the streams, the logs and the database of ${var.name_prefix}"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy                  = data.aws_iam_policy_document.key.json
}

resource "aws_kms_alias" "this" {
  name          = "alias/${var.name_prefix}"
  target_key_id = aws_kms_key.this.key_id
}

# In a key policy the resource `*` is this key only.
data "aws_iam_policy_document" "key" {
  #checkov:skip=CKV_AWS_109:the account must be able to manage its key
  #checkov:skip=CKV_AWS_111:the resource of a key's policy is that key
  #checkov:skip=CKV_AWS_356:the resource of a key's policy is that key

  # The account delegates to IAM: each role has its own statement for the key.
  statement {
    sid       = "NoResourceLevelAccountThroughIAM"
    resources = ["*"]
    actions = [
      "kms:CancelKeyDeletion",
      "kms:CreateAlias",
      "kms:CreateGrant",
      "kms:Decrypt",
      "kms:DeleteAlias",
      "kms:DescribeKey",
      "kms:DisableKey",
      "kms:DisableKeyRotation",
      "kms:EnableKey",
      "kms:EnableKeyRotation",
      "kms:Encrypt",
      "kms:GenerateDataKey",
      "kms:GenerateDataKeyWithoutPlaintext",
      "kms:GetKeyPolicy",
      "kms:GetKeyRotationStatus",
      "kms:ListGrants",
      "kms:ListKeyPolicies",
      "kms:ListKeyRotations",
      "kms:ListResourceTags",
      "kms:PutKeyPolicy",
      "kms:ReEncryptFrom",
      "kms:ReEncryptTo",
      "kms:RetireGrant",
      "kms:RevokeGrant",
      "kms:RotateKeyOnDemand",
      "kms:ScheduleKeyDeletion",
      "kms:TagResource",
      "kms:UntagResource",
      "kms:UpdateAlias",
      "kms:UpdateKeyDescription",
    ]

    principals {
      type        = "AWS"
      identifiers = [local.root_arn]
    }
  }

  # CloudWatch Logs calls KMS itself, for the log groups of this account.
  statement {
    sid       = "NoResourceLevelLogGroups"
    resources = ["*"]
    actions   = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:ReEncryptTo"]

    principals {
      type        = "Service"
      identifiers = ["logs.${data.aws_region.current.name}.${local.dns}"]
    }

    condition {
      test     = "ArnLike"
      variable = "kms:EncryptionContext:aws:logs:arn"
      values   = [local.logs_arn]
    }
  }

  # Alarms are published to an encrypted topic.
  statement {
    sid       = "NoResourceLevelAlarms"
    resources = ["*"]
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]

    principals {
      type        = "Service"
      identifiers = ["cloudwatch.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }

  # So are events of EventBridge, for which KMS supports no condition on the source.
  statement {
    sid       = "NoResourceLevelEvents"
    resources = ["*"]
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]

    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }
  }
}
