# The emulator does not answer which prefix list a rule has, and the provider
# stumbles over that.
resource "aws_vpc_security_group_egress_rule" "s3" {
  lifecycle {
    ignore_changes = [prefix_list_id]
  }
}
