# The emulator manages the master secret of clusters only.
locals {
  master_secret_arn = aws_secretsmanager_secret.emulator.arn
}

# It knows one minor version, and does not search by the major one.
data "aws_rds_engine_version" "newest" {
  version = "16.4"
}
