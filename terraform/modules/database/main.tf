# RDS for Postgres: private, encrypted, TLS only. RDS manages the master password, which
# is in no state file; the components authenticate with IAM.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

# RDS creates an instance of "16" with its default minor version, which may be a year
# old and have a pgvector that recflow refuses.
data "aws_rds_engine_version" "newest" {
  count = local.new ? 1 : 0

  engine  = "postgres"
  version = var.engine_version
  latest  = true
}

locals {
  new = var.existing == null

  host        = local.new ? aws_db_instance.this[0].address : var.existing.host
  port        = local.new ? 5432 : var.existing.port
  name        = local.new ? "recflow" : var.existing.name
  instance_id = local.new ? local.identifier : var.existing.instance_id
  resource_id = local.new ? aws_db_instance.this[0].resource_id : var.existing.resource_id

  master_secret_arn = local.new ? aws_db_instance.this[0].master_user_secret[0].secret_arn : var.existing.master_secret_arn

  identifier = var.name_prefix
  logs       = ["postgresql", "upgrade"]

  # Whether users can authenticate with IAM. The resource ID of a new instance is known
  # only after the apply, so it is not tested.
  iam = local.new || try(var.existing.resource_id, null) != null

  # Path of the RDS certificates in each user's process.
  ca_paths = {
    owner   = "/etc/recflow/rds-ca.pem"
    loader  = "/etc/recflow/rds-ca.pem"
    stream  = "/var/task/rds-ca.pem"
    api     = "/etc/recflow/rds-ca.pem"
    auditor = "/etc/recflow/rds-ca.pem"
  }
  url_template = "postgres://%s@${local.host}:${local.port}/${local.name}?sslmode=verify-full&sslrootcert=%s"
  connect_arns = {
    for user in ["loader", "stream", "api", "auditor"] :
    user => local.iam ? "arn:${data.aws_partition.current.partition}:rds-db:${data.aws_region.current.name}:${data.aws_caller_identity.current.account_id}:dbuser:${local.resource_id}/recflow_${user}" : null
  }
}

resource "aws_db_subnet_group" "this" {
  count = local.new ? 1 : 0

  name       = local.identifier
  subnet_ids = var.subnet_ids
}

# Created before RDS creates them, which would retain them forever.
resource "aws_cloudwatch_log_group" "this" {
  for_each = toset(local.new ? local.logs : [])

  name              = "/aws/rds/instance/${local.identifier}/${each.key}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_db_instance" "this" {
  #checkov:skip=CKV_AWS_133:backup_days is 7 and validated to be 1 at least; checkov cannot follow it through the object of the root
  count = local.new ? 1 : 0

  identifier     = local.identifier
  db_name        = local.name
  engine         = "postgres"
  engine_version = data.aws_rds_engine_version.newest[0].version_actual
  instance_class = var.instance_class
  port           = local.port

  username                            = "recflow_owner"
  manage_master_user_password         = true
  master_user_secret_kms_key_id       = var.kms_key_arn
  iam_database_authentication_enabled = true

  storage_type          = "gp3"
  allocated_storage     = var.storage_gib
  max_allocated_storage = var.max_storage_gib
  storage_encrypted     = true
  kms_key_id            = var.kms_key_arn

  db_subnet_group_name   = aws_db_subnet_group.this[0].name
  vpc_security_group_ids = [var.security_group_id]
  publicly_accessible    = false
  multi_az               = var.multi_az
  ca_cert_identifier     = "rds-ca-rsa2048-g1"
  parameter_group_name   = aws_db_parameter_group.this[0].name

  backup_retention_period    = var.backup_days
  backup_window              = "02:00-02:45"
  maintenance_window         = "Tue:03:00-Tue:04:00"
  auto_minor_version_upgrade = true
  copy_tags_to_snapshot      = true
  delete_automated_backups   = false
  deletion_protection        = var.deletion_protection
  skip_final_snapshot        = var.skip_final_snapshot
  final_snapshot_identifier  = var.skip_final_snapshot ? null : "${local.identifier}-final"

  performance_insights_enabled          = true
  performance_insights_kms_key_id       = var.kms_key_arn
  performance_insights_retention_period = 7
  enabled_cloudwatch_logs_exports       = local.logs

  apply_immediately = var.apply_immediately

  lifecycle {
    # RDS increases the size itself, up to max_storage_gib, and the minor version in the
    # maintenance window.
    ignore_changes = [allocated_storage, engine_version]
  }

  depends_on = [aws_cloudwatch_log_group.this]
}
