# AWS services from inside the VPC. S3 has a gateway endpoint, which is free.

data "aws_region" "current" {}

locals {
  # Services called by the Lambda function, the worker, the API, the container agent and
  # the operator's tasks. No others are reachable this way.
  interface_services = [
    "ecr.api", "ecr.dkr", "glue", "kinesis-firehose", "kinesis-streams", "logs", "secretsmanager", "sns",
  ]

  route_table_ids = local.new ? aws_route_table.private[*].id : var.vpc.private_route_table_ids
}

resource "aws_vpc_endpoint" "s3" {
  count = local.new || var.create_endpoints ? 1 : 0

  vpc_id            = local.vpc_id
  service_name      = "com.amazonaws.${data.aws_region.current.name}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = local.route_table_ids

  tags = { Name = "${var.name_prefix}-s3" }
}

resource "aws_vpc_endpoint" "interface" {
  for_each = toset(var.create_endpoints ? local.interface_services : [])

  vpc_id              = local.vpc_id
  service_name        = "com.amazonaws.${data.aws_region.current.name}.${each.key}"
  vpc_endpoint_type   = "Interface"
  subnet_ids          = local.private_subnet_ids
  security_group_ids  = [aws_security_group.this["endpoints"].id]
  private_dns_enabled = true

  tags = { Name = "${var.name_prefix}-${each.key}" }
}
