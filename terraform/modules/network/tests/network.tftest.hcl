mock_provider "aws" {
  override_during = plan

  mock_data "aws_availability_zones" {
    defaults = { names = ["eu-central-1a", "eu-central-1b", "eu-central-1c"] }
  }
  mock_data "aws_region" {
    defaults = { name = "eu-central-1" }
  }
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws", dns_suffix = "amazonaws.com" }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }
  mock_data "aws_ec2_managed_prefix_list" {
    defaults = { id = "pl-1" }
  }
  mock_resource "aws_vpc" {
    defaults = { id = "vpc-1" }
  }
  mock_resource "aws_route_table" {
    defaults = { id = "rtb-1" }
  }
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:flow" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/flow" }
  }
}

# The ID of a group has its name, so that rules can be distinguished.
override_resource {
  target          = aws_security_group.this["lambda"]
  override_during = plan
  values          = { id = "lambda" }
}
override_resource {
  target          = aws_security_group.this["worker"]
  override_during = plan
  values          = { id = "worker" }
}
override_resource {
  target          = aws_security_group.this["api"]
  override_during = plan
  values          = { id = "api" }
}
override_resource {
  target          = aws_security_group.this["admin"]
  override_during = plan
  values          = { id = "admin" }
}
override_resource {
  target          = aws_security_group.this["database"]
  override_during = plan
  values          = { id = "database" }
}
override_resource {
  target          = aws_security_group.this["load_balancer"]
  override_during = plan
  values          = { id = "load_balancer" }
}
override_resource {
  target          = aws_security_group.this["endpoints"]
  override_during = plan
  values          = { id = "endpoints" }
}

variables {
  name_prefix = "recflow"
}

run "a_new_vpc_spans_its_zones_with_private_and_public_subnets" {
  command = plan

  variables {
    availability_zones = 3
    cidr               = "10.0.0.0/16"
  }

  assert {
    condition     = aws_subnet.private[*].cidr_block == ["10.0.0.0/20", "10.0.16.0/20", "10.0.32.0/20"]
    error_message = "private subnets are cut from the start of the range"
  }
  assert {
    condition     = aws_subnet.public[*].cidr_block == ["10.0.128.0/20", "10.0.144.0/20", "10.0.160.0/20"]
    error_message = "public subnets are cut from the middle of the range"
  }
  assert {
    condition     = aws_subnet.private[*].availability_zone == ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
    error_message = "there is one private subnet per zone"
  }
  assert {
    condition     = !anytrue(concat(aws_subnet.private[*].map_public_ip_on_launch, aws_subnet.public[*].map_public_ip_on_launch))
    error_message = "no public address is assigned automatically"
  }
  assert {
    condition     = length(aws_default_security_group.closed) == 1 && length(aws_flow_log.this) == 1
    error_message = "the default group is closed, and flows are logged"
  }
  assert {
    condition     = output.vpc_id == "vpc-1" && length(output.private_subnet_ids) == 3 && length(output.public_subnet_ids) == 3
    error_message = "created resources are output"
  }
}

run "only_our_processes_reach_postgres_and_by_group" {
  command = plan

  assert {
    condition = alltrue([
      for rule in aws_vpc_security_group_ingress_rule.database :
      rule.security_group_id == "database" && rule.from_port == 5432 && rule.to_port == 5432 && rule.cidr_ipv4 == null
    ])
    error_message = "the database accepts 5432 only, and from groups"
  }
  assert {
    condition     = toset([for rule in aws_vpc_security_group_ingress_rule.database : rule.referenced_security_group_id]) == toset(["admin", "api", "lambda", "worker"])
    error_message = "the database accepts connections from lambda, worker, api and admin"
  }
  assert {
    condition = !contains(concat(
      [for rule in aws_vpc_security_group_egress_rule.database : rule.security_group_id],
      [for rule in aws_vpc_security_group_egress_rule.endpoints : rule.security_group_id],
      [for rule in aws_vpc_security_group_egress_rule.s3 : rule.security_group_id],
    ), "database")
    error_message = "the database opens no connection"
  }
}

run "no_rule_lets_anybody_in_from_a_range" {
  command = plan

  assert {
    condition = alltrue([
      for rule in concat(
        values(aws_vpc_security_group_ingress_rule.database),
        values(aws_vpc_security_group_ingress_rule.endpoints),
        [aws_vpc_security_group_ingress_rule.api],
      ) : rule.cidr_ipv4 == null && rule.cidr_ipv6 == null && rule.referenced_security_group_id != null
    ])
    error_message = "ingress names a group"
  }
  assert {
    condition = (
      aws_vpc_security_group_ingress_rule.api.referenced_security_group_id == "load_balancer" &&
      aws_vpc_security_group_ingress_rule.api.from_port == 14570 &&
      aws_vpc_security_group_egress_rule.load_balancer.referenced_security_group_id == "api" &&
      aws_vpc_security_group_egress_rule.load_balancer.from_port == 14570
    )
    error_message = "the API accepts requests from the load balancer, which connects to nothing else"
  }
}

run "aws_is_reached_through_endpoints_that_take_443_from_our_processes" {
  command = plan

  assert {
    condition = toset([for endpoint in aws_vpc_endpoint.interface : trimprefix(endpoint.service_name, "com.amazonaws.eu-central-1.")]) == toset([
      "ecr.api", "ecr.dkr", "glue", "kinesis-firehose", "kinesis-streams", "logs", "secretsmanager", "sns",
    ])
    error_message = "there is an endpoint for each service in use"
  }
  assert {
    condition     = alltrue([for endpoint in aws_vpc_endpoint.interface : endpoint.private_dns_enabled && endpoint.security_group_ids == toset(["endpoints"])])
    error_message = "endpoints use the services' names, and have the group endpoints"
  }
  assert {
    condition     = aws_vpc_endpoint.s3[0].vpc_endpoint_type == "Gateway" && aws_vpc_endpoint.s3[0].route_table_ids == toset(["rtb-1"])
    error_message = "S3 is routed to its gateway endpoint from each private subnet"
  }
  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_ingress_rule.endpoints : rule.security_group_id == "endpoints" && rule.from_port == 443 && rule.to_port == 443])
    error_message = "endpoints accept 443"
  }
  assert {
    condition     = toset([for rule in aws_vpc_security_group_ingress_rule.endpoints : rule.referenced_security_group_id]) == toset(["admin", "api", "lambda", "worker"])
    error_message = "endpoints accept connections from our processes"
  }
  assert {
    condition     = length(aws_vpc_security_group_egress_rule.aws) == 0
    error_message = "with endpoints AWS needs no address range"
  }
}

run "with_nat_only_worker_and_api_leave_and_only_to_temporal" {
  command = plan

  variables { egress = "nat" }

  assert {
    condition     = length(aws_nat_gateway.this) == 1 && length(aws_route.nat) == 2
    error_message = "one NAT gateway serves all zones"
  }
  assert {
    condition     = toset([for rule in aws_vpc_security_group_egress_rule.temporal : rule.security_group_id]) == toset(["api", "worker"])
    error_message = "worker and API can connect to Temporal"
  }
  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_egress_rule.temporal : rule.cidr_ipv4 == "0.0.0.0/0" && rule.from_port == 7233 && rule.to_port == 7233])
    error_message = "Temporal may be anywhere, at one port"
  }
}

run "nat_per_zone_makes_a_gateway_in_each" {
  command = plan

  variables { nat_per_zone = true }

  assert {
    condition     = length(aws_nat_gateway.this) == 2 && length(aws_eip.nat) == 2
    error_message = "each zone has its own NAT gateway"
  }
}

run "with_privatelink_nothing_leaves_the_vpc" {
  command = plan

  variables { egress = "privatelink" }

  assert {
    condition     = length(aws_nat_gateway.this) == 0 && length(aws_route.nat) == 0 && length(aws_eip.nat) == 0
    error_message = "there is no NAT gateway, and no route to one"
  }
  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_egress_rule.temporal : rule.cidr_ipv4 == "10.64.0.0/20"])
    error_message = "Temporal is inside the VPC"
  }
}

run "temporal_can_be_held_to_its_ranges_and_port" {
  command = plan

  variables {
    temporal_cidrs = ["10.1.0.0/16", "10.2.0.0/16"]
    temporal_port  = 443
  }

  assert {
    condition     = length(aws_vpc_security_group_egress_rule.temporal) == 4
    error_message = "worker and API have a rule for each range"
  }
  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_egress_rule.temporal : rule.cidr_ipv4 != "0.0.0.0/0" && rule.from_port == 443])
    error_message = "the ranges and the port are as given"
  }
}

run "without_endpoints_aws_is_reached_through_nat" {
  command = plan

  variables { create_endpoints = false }

  assert {
    condition     = length(aws_vpc_endpoint.interface) == 0 && length(aws_vpc_endpoint.s3) == 1
    error_message = "S3's endpoint is free and stays"
  }
  assert {
    condition     = toset([for rule in aws_vpc_security_group_egress_rule.aws : rule.security_group_id]) == toset(["admin", "api", "lambda", "worker"])
    error_message = "our processes have egress"
  }
  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_egress_rule.aws : rule.cidr_ipv4 == "0.0.0.0/0" && rule.from_port == 443 && rule.to_port == 443])
    error_message = "egress is limited to port 443"
  }
}

run "a_vpc_of_your_own_is_used_as_it_is" {
  command = plan

  variables {
    vpc = {
      vpc_id             = "vpc-yours"
      cidr_block         = "172.20.0.0/16"
      private_subnet_ids = ["subnet-a", "subnet-b"]
    }
    egress           = "privatelink"
    create_endpoints = false
  }

  assert {
    condition = (
      length(aws_vpc.this) + length(aws_subnet.private) + length(aws_subnet.public) + length(aws_internet_gateway.this) +
      length(aws_flow_log.this) + length(aws_default_security_group.closed) + length(aws_vpc_endpoint.s3) == 0
    )
    error_message = "only security groups are created"
  }
  assert {
    condition     = alltrue([for group in aws_security_group.this : group.vpc_id == "vpc-yours"])
    error_message = "groups are created in the given VPC"
  }
  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_egress_rule.aws : rule.cidr_ipv4 == "172.20.0.0/16"])
    error_message = "AWS is reached through endpoints that the VPC has"
  }
  assert {
    condition     = output.vpc_id == "vpc-yours" && output.private_subnet_ids == tolist(["subnet-a", "subnet-b"])
    error_message = "the given values are output"
  }
}

run "a_vpc_of_your_own_can_get_endpoints" {
  command = plan

  variables {
    vpc = {
      vpc_id                  = "vpc-yours"
      cidr_block              = "172.20.0.0/16"
      private_subnet_ids      = ["subnet-a", "subnet-b"]
      private_route_table_ids = ["rtb-a"]
    }
  }

  assert {
    condition     = aws_vpc_endpoint.s3[0].route_table_ids == toset(["rtb-a"]) && length(aws_vpc_endpoint.interface) == 8
    error_message = "endpoints are created in it"
  }
}

run "the_flow_logs_role_writes_to_its_log_group_only" {
  command = plan

  assert {
    condition     = data.aws_iam_policy_document.flow[0].statement[0].resources == toset(["arn:aws:logs:eu-central-1:123456789012:log-group:flow:*"])
    error_message = "it names its log group"
  }
  assert {
    condition     = alltrue([for action in data.aws_iam_policy_document.flow[0].statement[0].actions : !strcontains(action, "*")])
    error_message = "actions are listed one by one"
  }
  assert {
    condition     = contains([for condition in data.aws_iam_policy_document.flow_trust[0].statement[0].condition : condition.variable], "aws:SourceAccount")
    error_message = "only this account's flow logs may assume the role"
  }
}

run "rejects_a_name_prefix_that_ends_with_a_hyphen" {
  command = plan
  variables { name_prefix = "recflow-" }
  expect_failures = [var.name_prefix]
}

run "rejects_a_name_prefix_with_two_hyphens_in_a_row" {
  command = plan
  variables { name_prefix = "rec--flow" }
  expect_failures = [var.name_prefix]
}

run "rejects_a_vpc_that_is_no_id" {
  command = plan
  variables {
    vpc              = { vpc_id = "mine", cidr_block = "10.0.0.0/16", private_subnet_ids = ["a", "b"] }
    create_endpoints = false
  }
  expect_failures = [var.vpc]
}

run "rejects_a_vpc_without_a_range" {
  command = plan
  variables {
    vpc              = { vpc_id = "vpc-1", cidr_block = "10.0.0.0", private_subnet_ids = ["a", "b"] }
    create_endpoints = false
  }
  expect_failures = [var.vpc]
}

run "rejects_a_vpc_with_one_private_subnet" {
  command = plan
  variables {
    vpc              = { vpc_id = "vpc-1", cidr_block = "10.0.0.0/16", private_subnet_ids = ["a"] }
    create_endpoints = false
  }
  expect_failures = [var.vpc]
}

run "rejects_endpoints_in_a_vpc_whose_route_tables_are_not_given" {
  command = plan
  variables {
    vpc              = { vpc_id = "vpc-1", cidr_block = "10.0.0.0/16", private_subnet_ids = ["a", "b"] }
    create_endpoints = true
  }
  expect_failures = [var.create_endpoints]
}

run "rejects_a_range_that_is_too_small" {
  command = plan
  variables { cidr = "10.0.0.0/25" }
  expect_failures = [var.cidr]
}

run "rejects_a_single_zone" {
  command = plan
  variables { availability_zones = 1 }
  expect_failures = [var.availability_zones]
}

run "rejects_an_unknown_way_out" {
  command = plan
  variables { egress = "internet" }
  expect_failures = [var.egress]
}

run "rejects_privatelink_without_endpoints" {
  command = plan
  variables {
    egress           = "privatelink"
    create_endpoints = false
  }
  expect_failures = [var.create_endpoints]
}

run "rejects_a_port_that_does_not_exist" {
  command = plan
  variables { temporal_port = 70000 }
  expect_failures = [var.temporal_port]
}

run "rejects_a_range_of_temporal_that_is_an_address" {
  command = plan
  variables { temporal_cidrs = ["10.0.0.1"] }
  expect_failures = [var.temporal_cidrs]
}

run "rejects_an_unknown_kind_of_flow" {
  command = plan
  variables { flow_log_traffic = "SOME" }
  expect_failures = [var.flow_log_traffic]
}

run "rejects_a_retention_that_cloudwatch_does_not_know" {
  command = plan
  variables { log_retention_days = 10 }
  expect_failures = [var.log_retention_days]
}

run "rejects_the_alias_of_a_key" {
  command = plan
  variables { kms_key_arn = "alias/aws/logs" }
  expect_failures = [var.kms_key_arn]
}
