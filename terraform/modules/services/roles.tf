# One task role per component, and one execution role for the container agent, which
# pulls images, writes logs and reads the given secrets. No role has iam:PassRole.

locals {
  # Repositories of the images: the module's own, or those in the given references.
  # Registries other than ECR need no permission.
  ecr_image = "^([0-9]{12})\\.dkr\\.ecr\\.([a-z0-9-]+)\\.[^/]+/([^:@]+)[:@].*$"
  repository_arns = distinct(concat(
    values(aws_ecr_repository.this)[*].arn,
    var.images == null ? [] : [
      for uri in values(var.images) :
      replace(uri, "/${local.ecr_image}/", "arn:${data.aws_partition.current.partition}:ecr:$2:$1:repository/$3")
      if can(regex(local.ecr_image, uri))
    ],
  ))

  # Without the JSON key that may follow a secret's ARN.
  secret_arns = distinct([
    for arn in concat(values(local.temporal_secrets), [var.database.master_secret_arn], local.by_password ? values(var.database.password_secret_arns) : []) :
    join(":", slice(split(":", arn), 0, 7))
  ])
}

data "aws_iam_policy_document" "trust" {
  statement {
    sid     = "TasksOfThisAccount"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["arn:${data.aws_partition.current.partition}:ecs:${data.aws_region.current.name}:${data.aws_caller_identity.current.account_id}:*"]
    }
  }
}

resource "aws_iam_role" "task" {
  for_each = local.components

  name               = "${var.name_prefix}-${each.key}"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

data "aws_iam_policy_document" "worker" {
  statement {
    sid       = "RunTheTrainingJob"
    actions   = ["glue:BatchStopJobRun", "glue:GetJobRun", "glue:GetJobRuns", "glue:StartJobRun"]
    resources = [var.glue_job.arn]
  }

  statement {
    sid     = "ReadEmbeddingsAndCatalogsAndCountWhatATrainingWouldRead"
    actions = ["s3:GetObject"]
    resources = [
      "${var.bucket.arn}/embeddings/*",
      "${var.bucket.arn}/raw/events/*",
      "${var.bucket.arn}/raw/interactions/*",
      "${var.bucket.arn}/raw/items/*",
    ]
  }

  # A request for one object has no prefix. Without this permission S3 returns 403
  # instead of 404 for a missing object.
  statement {
    sid       = "ListWhatATrainingWouldRead"
    actions   = ["s3:ListBucket"]
    resources = [var.bucket.arn]

    condition {
      test     = "StringEqualsIfExists"
      variable = "s3:prefix"
      values   = ["raw/events/", "raw/interactions/", "raw/items/"]
    }
  }

  statement {
    sid       = "RedeliverEvents"
    actions   = ["s3:PutObject"]
    resources = ["${var.bucket.arn}/raw/events/dt=*/redelivered-*"]
  }

  statement {
    sid       = "ReadFilesOfUsers"
    actions   = ["s3:GetObject"]
    resources = ["${var.bucket.arn}/list-users/*"]
  }

  statement {
    sid       = "WriteLists"
    actions   = ["s3:DeleteObject", "s3:PutObject"]
    resources = ["${var.bucket.arn}/lists/run=*"]
  }

  statement {
    sid       = "ListLists"
    actions   = ["s3:ListBucket"]
    resources = [var.bucket.arn]

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = ["lists/run=*"]
    }
  }

  statement {
    sid       = "EncryptLists"
    actions   = ["kms:GenerateDataKey"]
    resources = [var.kms_key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["s3.${data.aws_region.current.name}.${data.aws_partition.current.dns_suffix}"]
    }
  }

  statement {
    sid       = "DecryptObjects"
    actions   = ["kms:Decrypt"]
    resources = [var.kms_key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["s3.${data.aws_region.current.name}.${data.aws_partition.current.dns_suffix}"]
    }
  }

  dynamic "statement" {
    for_each = var.database.auth == "iam" ? [var.database.connect_arns.loader] : []

    content {
      sid       = "SignInToPostgresAsLoader"
      actions   = ["rds-db:connect"]
      resources = [statement.value]
    }
  }

  dynamic "statement" {
    for_each = var.outcomes_topic_arn == null ? [] : [var.outcomes_topic_arn]

    content {
      sid       = "PublishOutcomes"
      actions   = ["sns:Publish"]
      resources = [statement.value]
    }
  }

  dynamic "statement" {
    for_each = var.outcomes_topic_arn == null ? [] : [var.kms_key_arn]

    content {
      sid       = "EncryptOutcomes"
      actions   = ["kms:GenerateDataKey"]
      resources = [statement.value]

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = ["sns.${data.aws_region.current.name}.${data.aws_partition.current.dns_suffix}"]
      }
    }
  }
}

data "aws_iam_policy_document" "api" {
  statement {
    sid       = "PutEvents"
    actions   = ["kinesis:PutRecords"]
    resources = [var.stream.arn]
  }

  statement {
    sid       = "EncryptEvents"
    actions   = ["kms:GenerateDataKey"]
    resources = [var.kms_key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["kinesis.${data.aws_region.current.name}.${data.aws_partition.current.dns_suffix}"]
    }
  }

  statement {
    sid     = "ReadQuarantinedRecords"
    actions = ["s3:GetObject"]
    resources = [
      "${var.bucket.arn}/quarantine/*",
      "${var.bucket.arn}/quarantine-payloads/*",
      "${var.bucket.arn}/aws/lambda/*",
    ]
  }

  statement {
    sid       = "ListQuarantinedRecords"
    actions   = ["s3:ListBucket"]
    resources = [var.bucket.arn]

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = ["quarantine/dt=*", "aws/lambda/*", "raw/imports/*", "raw/interactions/*", "raw/items/*"]
    }
  }

  statement {
    sid       = "ReadImports"
    actions   = ["s3:GetObject", "s3:PutObject"]
    resources = ["${var.bucket.arn}/raw/imports/*"]
  }

  statement {
    sid     = "RemoveImports"
    actions = ["s3:DeleteObject"]
    resources = [
      "${var.bucket.arn}/raw/imports/*",
      "${var.bucket.arn}/raw/interactions/*",
      "${var.bucket.arn}/raw/items/*",
    ]
  }

  statement {
    sid       = "DecryptQuarantinedRecords"
    actions   = ["kms:Decrypt"]
    resources = [var.kms_key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["s3.${data.aws_region.current.name}.${data.aws_partition.current.dns_suffix}"]
    }
  }

  dynamic "statement" {
    for_each = var.database.auth == "iam" ? [var.database.connect_arns.api] : []

    content {
      sid       = "SignInToPostgresAsApi"
      actions   = ["rds-db:connect"]
      resources = [statement.value]
    }
  }
}

resource "aws_iam_role_policy" "worker" {
  name   = "worker"
  role   = aws_iam_role.task["worker"].id
  policy = data.aws_iam_policy_document.worker.json
}

resource "aws_iam_role_policy" "api" {
  name   = "api"
  role   = aws_iam_role.task["api"].id
  policy = data.aws_iam_policy_document.api.json
}

resource "aws_iam_role" "execution" {
  name               = "${var.name_prefix}-container-agent"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

data "aws_iam_policy_document" "execution" {
  statement {
    sid       = "NoResourceLevelSignInToECR"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }

  dynamic "statement" {
    for_each = length(local.repository_arns) > 0 ? [local.repository_arns] : []

    content {
      sid       = "PullImages"
      actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
      resources = statement.value
    }
  }

  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = [for group in aws_cloudwatch_log_group.this : "${group.arn}:*"]
  }

  statement {
    sid       = "ReadTheGivenSecrets"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = local.secret_arns
  }

  statement {
    sid       = "DecryptTheGivenSecrets"
    actions   = ["kms:Decrypt"]
    resources = concat([var.kms_key_arn], var.secrets_kms_key_arns)

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["secretsmanager.${data.aws_region.current.name}.${data.aws_partition.current.dns_suffix}"]
    }
  }
}

resource "aws_iam_role_policy" "execution" {
  name   = "container-agent"
  role   = aws_iam_role.execution.id
  policy = data.aws_iam_policy_document.execution.json
}
