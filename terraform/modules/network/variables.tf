variable "name_prefix" {
  description = "Prefix of all names. 3 to 24 lower-case letters, digits and single hyphens."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,22}[a-z0-9]$", var.name_prefix)) && !strcontains(var.name_prefix, "--")
    error_message = "name_prefix must be 3 to 24 lower-case letters, digits and single hyphens, begin with a letter and not end with a hyphen."
  }
}

variable "vpc" {
  description = "An existing VPC, or null to create one. cidr_block is its range. With create_endpoints the module creates endpoints in it, and needs the route tables of the private subnets."
  type = object({
    vpc_id                  = string
    cidr_block              = string
    private_subnet_ids      = list(string)
    public_subnet_ids       = optional(list(string), [])
    private_route_table_ids = optional(list(string), [])
  })
  default = null

  validation {
    condition     = var.vpc == null ? true : startswith(var.vpc.vpc_id, "vpc-")
    error_message = "vpc.vpc_id must be the ID of a VPC, such as vpc-0123456789abcdef0."
  }

  validation {
    condition     = var.vpc == null ? true : can(cidrnetmask(var.vpc.cidr_block))
    error_message = "vpc.cidr_block must be an IPv4 range such as 10.0.0.0/16."
  }

  validation {
    condition     = var.vpc == null ? true : length(var.vpc.private_subnet_ids) >= 2
    error_message = "vpc.private_subnet_ids must name at least two subnets, in different zones, as the database requires."
  }
}

variable "cidr" {
  description = "IPv4 range of a new VPC, /16 to /24. It is divided into sixteen: private subnets from the start, public ones from the middle."
  type        = string
  default     = "10.64.0.0/20"

  validation {
    condition     = can(cidrnetmask(var.cidr)) && can(regex("/(1[6-9]|2[0-4])$", var.cidr))
    error_message = "cidr must be an IPv4 range from /16 to /24, such as 10.64.0.0/20."
  }
}

variable "availability_zones" {
  description = "Number of zones of a new VPC."
  type        = number
  default     = 2

  validation {
    condition     = contains([2, 3, 4, 5, 6], var.availability_zones)
    error_message = "availability_zones must be 2 to 6: the database and the load balancer need two."
  }
}

variable "egress" {
  description = "Egress of the VPC: nat (through NAT gateways; required for Temporal Cloud) or privatelink (none; AWS is reached through endpoints)."
  type        = string
  default     = "nat"

  validation {
    condition     = contains(["nat", "privatelink"], var.egress)
    error_message = "egress must be nat or privatelink."
  }
}

variable "nat_per_zone" {
  description = "A NAT gateway in each zone instead of one for all. One is cheaper; if its zone fails, all egress fails."
  type        = bool
  default     = false
}

variable "create_endpoints" {
  description = "Create interface endpoints for the AWS services in use. They are billed per hour and zone; without them calls to AWS use NAT."
  type        = bool
  default     = true

  validation {
    condition     = var.create_endpoints || var.egress == "nat" || var.vpc != null
    error_message = "create_endpoints cannot be false with egress privatelink in a new VPC: AWS would be unreachable. Set it to true, or set egress to nat."
  }

  validation {
    condition     = !var.create_endpoints || var.vpc == null ? true : length(var.vpc.private_route_table_ids) > 0
    error_message = "create_endpoints in an existing VPC needs vpc.private_route_table_ids, for the S3 endpoint. Set create_endpoints to false if the VPC has its own endpoints."
  }
}

variable "temporal_port" {
  description = "TCP port of Temporal's frontend."
  type        = number
  default     = 7233

  validation {
    condition     = var.temporal_port >= 1 && var.temporal_port <= 65535
    error_message = "temporal_port must be 1 to 65535."
  }
}

variable "temporal_cidrs" {
  description = "Address ranges of Temporal. Empty: anywhere with egress nat, inside the VPC with privatelink."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for c in var.temporal_cidrs : can(cidrnetmask(c))])
    error_message = "temporal_cidrs must be IPv4 ranges such as 10.1.0.0/16."
  }
}

variable "flow_log_traffic" {
  description = "Which flows of a new VPC are logged: ALL, ACCEPT or REJECT."
  type        = string
  default     = "ALL"

  validation {
    condition     = contains(["ALL", "ACCEPT", "REJECT"], var.flow_log_traffic)
    error_message = "flow_log_traffic must be ALL, ACCEPT or REJECT."
  }
}

variable "log_retention_days" {
  description = "Retention of flow logs, in days."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be a retention period of CloudWatch Logs, such as 7, 14, 30, 90 or 365."
  }
}

variable "kms_key_arn" {
  description = "Key of the flow logs. Null: the default key of CloudWatch Logs."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null ? true : can(regex("^arn:[^:]+:kms:[^:]+:[0-9]{12}:key/.+$", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a KMS key (arn:…:kms:…:key/…), not of an alias."
  }
}
