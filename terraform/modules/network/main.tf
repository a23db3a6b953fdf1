# The VPC, its subnets and its egress. Endpoints are in endpoints.tf, security groups in
# security_groups.tf, flow logs in flow_logs.tf.

data "aws_availability_zones" "available" {
  #checkov:skip=CKV_AWS_394:the first availability_zones names are used, in order; names of zones belong to a region, and none is written here

  state = "available"

  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }
}

locals {
  new = var.vpc == null
  nat = var.egress == "nat"

  zones    = local.new ? slice(data.aws_availability_zones.available.names, 0, var.availability_zones) : []
  gateways = !local.new || !local.nat ? 0 : var.nat_per_zone ? var.availability_zones : 1

  vpc_id             = local.new ? aws_vpc.this[0].id : var.vpc.vpc_id
  vpc_cidr           = local.new ? var.cidr : var.vpc.cidr_block
  private_subnet_ids = local.new ? aws_subnet.private[*].id : var.vpc.private_subnet_ids
  public_subnet_ids  = local.new ? aws_subnet.public[*].id : var.vpc.public_subnet_ids
}

resource "aws_vpc" "this" {
  count = local.new ? 1 : 0

  cidr_block           = var.cidr
  enable_dns_support   = true
  enable_dns_hostnames = true

  tags = { Name = var.name_prefix }
}

# The default group has no rules: resources put into it by mistake have no network
# access.
resource "aws_default_security_group" "closed" {
  count = local.new ? 1 : 0

  vpc_id = aws_vpc.this[0].id

  tags = { Name = "${var.name_prefix}-default-closed" }
}

resource "aws_subnet" "private" {
  count = length(local.zones)

  vpc_id                  = aws_vpc.this[0].id
  availability_zone       = local.zones[count.index]
  cidr_block              = cidrsubnet(var.cidr, 4, count.index)
  map_public_ip_on_launch = false

  tags = { Name = "${var.name_prefix}-private-${local.zones[count.index]}" }
}

# Subnets of the load balancer and the NAT gateways only.
resource "aws_subnet" "public" {
  count = length(local.zones)

  vpc_id                  = aws_vpc.this[0].id
  availability_zone       = local.zones[count.index]
  cidr_block              = cidrsubnet(var.cidr, 4, 8 + count.index)
  map_public_ip_on_launch = false

  tags = { Name = "${var.name_prefix}-public-${local.zones[count.index]}" }
}

resource "aws_internet_gateway" "this" {
  count = local.new ? 1 : 0

  vpc_id = aws_vpc.this[0].id

  tags = { Name = var.name_prefix }
}

resource "aws_route_table" "public" {
  count = local.new ? 1 : 0

  vpc_id = aws_vpc.this[0].id

  tags = { Name = "${var.name_prefix}-public" }
}

resource "aws_route" "public" {
  count = local.new ? 1 : 0

  route_table_id         = aws_route_table.public[0].id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.this[0].id
}

resource "aws_route_table_association" "public" {
  count = length(local.zones)

  subnet_id      = aws_subnet.public[count.index].id
  route_table_id = aws_route_table.public[0].id
}

resource "aws_eip" "nat" {
  count = local.gateways

  domain = "vpc"

  tags = { Name = "${var.name_prefix}-nat-${count.index}" }
}

resource "aws_nat_gateway" "this" {
  count = local.gateways

  allocation_id = aws_eip.nat[count.index].id
  subnet_id     = aws_subnet.public[count.index].id

  tags = { Name = "${var.name_prefix}-${count.index}" }

  depends_on = [aws_internet_gateway.this]
}

resource "aws_route_table" "private" {
  count = length(local.zones)

  vpc_id = aws_vpc.this[0].id

  tags = { Name = "${var.name_prefix}-private-${local.zones[count.index]}" }
}

resource "aws_route" "nat" {
  count = local.gateways == 0 ? 0 : length(local.zones)

  route_table_id         = aws_route_table.private[count.index].id
  destination_cidr_block = "0.0.0.0/0"
  nat_gateway_id         = aws_nat_gateway.this[count.index % local.gateways].id
}

resource "aws_route_table_association" "private" {
  count = length(local.zones)

  subnet_id      = aws_subnet.private[count.index].id
  route_table_id = aws_route_table.private[count.index].id
}
