# The emulator manages the master secret of clusters only.
locals {
  master_secret_arn = aws_secretsmanager_secret.emulator.arn
}
