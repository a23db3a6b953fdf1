# One group per component, and rules that name groups. Only the connections listed here
# are possible. The services module adds the load balancer's ingress rules, for its
# ranges.

data "aws_ec2_managed_prefix_list" "s3" {
  name = "com.amazonaws.${data.aws_region.current.name}.s3"
}

locals {
  groups = {
    lambda        = "The function behind the stream"
    worker        = "The batch worker"
    api           = "The API"
    admin         = "One-off tasks such as the migrations"
    database      = "Postgres"
    load_balancer = "The load balancer in front of the API"
    endpoints     = "Interface endpoints of AWS services"
  }

  # The groups of our processes.
  components = toset(["lambda", "worker", "api", "admin"])

  # Components that connect to Temporal, and its possible addresses.
  temporal_cidrs = length(var.temporal_cidrs) > 0 ? var.temporal_cidrs : [local.nat ? "0.0.0.0/0" : local.vpc_cidr]
  temporal_rules = {
    for pair in setproduct(["worker", "api"], local.temporal_cidrs) :
    "${pair[0]} ${pair[1]}" => { group = pair[0], cidr = pair[1] }
  }

  # Without our endpoints AWS is reached through NAT, or through endpoints that the VPC
  # already has.
  aws_cidr = local.nat ? "0.0.0.0/0" : local.vpc_cidr

  # Port of the API, behind the load balancer.
  api_port = 14570
}

resource "aws_security_group" "this" {
  #checkov:skip=CKV2_AWS_5:each is attached by another module, through an output that checkov does not follow

  for_each = local.groups

  name        = "${var.name_prefix}-${replace(each.key, "_", "-")}"
  description = each.value
  vpc_id      = local.vpc_id

  tags = { Name = "${var.name_prefix}-${replace(each.key, "_", "-")}" }
}

# Postgres accepts connections from our processes, and opens none.
resource "aws_vpc_security_group_ingress_rule" "database" {
  for_each = local.components

  description                  = "Postgres from ${each.key}"
  security_group_id            = aws_security_group.this["database"].id
  referenced_security_group_id = aws_security_group.this[each.key].id
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
}

resource "aws_vpc_security_group_egress_rule" "database" {
  for_each = local.components

  description                  = "Postgres"
  security_group_id            = aws_security_group.this[each.key].id
  referenced_security_group_id = aws_security_group.this["database"].id
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
}

resource "aws_vpc_security_group_ingress_rule" "endpoints" {
  for_each = local.components

  description                  = "AWS services from ${each.key}"
  security_group_id            = aws_security_group.this["endpoints"].id
  referenced_security_group_id = aws_security_group.this[each.key].id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}

resource "aws_vpc_security_group_egress_rule" "endpoints" {
  for_each = var.create_endpoints ? local.components : toset([])

  description                  = "AWS services through their endpoints"
  security_group_id            = aws_security_group.this[each.key].id
  referenced_security_group_id = aws_security_group.this["endpoints"].id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}

resource "aws_vpc_security_group_egress_rule" "aws" {
  for_each = var.create_endpoints ? toset([]) : local.components

  description       = "AWS services"
  security_group_id = aws_security_group.this[each.key].id
  cidr_ipv4         = local.aws_cidr
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

# S3 for data and for image layers, which even the API needs.
resource "aws_vpc_security_group_egress_rule" "s3" {
  for_each = local.components

  description       = "S3 through its gateway endpoint"
  security_group_id = aws_security_group.this[each.key].id
  prefix_list_id    = data.aws_ec2_managed_prefix_list.s3.id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_egress_rule" "temporal" {
  for_each = local.temporal_rules

  description       = "Temporal"
  security_group_id = aws_security_group.this[each.value.group].id
  cidr_ipv4         = each.value.cidr
  ip_protocol       = "tcp"
  from_port         = var.temporal_port
  to_port           = var.temporal_port
}

resource "aws_vpc_security_group_egress_rule" "load_balancer" {
  description                  = "Requests and health checks"
  security_group_id            = aws_security_group.this["load_balancer"].id
  referenced_security_group_id = aws_security_group.this["api"].id
  ip_protocol                  = "tcp"
  from_port                    = local.api_port
  to_port                      = local.api_port
}

resource "aws_vpc_security_group_ingress_rule" "api" {
  description                  = "Requests and health checks"
  security_group_id            = aws_security_group.this["api"].id
  referenced_security_group_id = aws_security_group.this["load_balancer"].id
  ip_protocol                  = "tcp"
  from_port                    = local.api_port
  to_port                      = local.api_port
}
