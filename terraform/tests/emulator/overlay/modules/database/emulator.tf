resource "aws_secretsmanager_secret" "emulator" {
  name = "${var.name_prefix}-master"
}
