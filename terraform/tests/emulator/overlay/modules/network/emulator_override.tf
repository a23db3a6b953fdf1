# The emulator does not return the prefix list of a rule, which the provider requires.
resource "aws_vpc_security_group_egress_rule" "s3" {
  lifecycle {
    ignore_changes = [prefix_list_id]
  }
}
