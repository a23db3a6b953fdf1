variable "name_prefix" {
  description = "What the name of every resource starts with."
  type        = string
  default     = "recflow"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,20}[a-z0-9]$", var.name_prefix))
    error_message = "name_prefix must be 3 to 22 lower-case letters, digits and hyphens, begin with a letter and not end with a hyphen."
  }
}

# What `make package` and `make images` built.

variable "packages" {
  description = "Folder of the packages (dist/ of `make package`)."
  type        = string
}

variable "image_tag" {
  description = "Tag of the images of worker, API and admin in the repositories that this makes, as pushed by `make images`."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$", var.image_tag)) && var.image_tag != "latest"
    error_message = "image_tag must be a tag that stays what it is, such as a version; latest does not."
  }
}

variable "images" {
  description = "Images by another address than that of the repositories made here; null to use those."
  type = object({
    worker = string
    api    = string
    admin  = string
  })
  default = null
}

# The network.

variable "vpc" {
  description = "A VPC of your own; null to make one. The private subnets need a way to the AWS services, and to Temporal."
  type = object({
    vpc_id             = string
    private_subnet_ids = list(string)
    public_subnet_ids  = optional(list(string), [])
  })
  default = null
}

variable "cidr" {
  description = "Address range of the VPC that is made."
  type        = string
  default     = "10.42.0.0/16"

  validation {
    condition     = can(cidrsubnet(var.cidr, 4, 0))
    error_message = "cidr must be an address range such as 10.42.0.0/16."
  }
}

variable "availability_zones" {
  description = "Number of zones to use."
  type        = number
  default     = 2

  validation {
    condition     = var.availability_zones >= 2 && var.availability_zones <= 4
    error_message = "availability_zones must be 2 to 4: a database and a load balancer need two."
  }
}

variable "egress" {
  description = "How the private subnets reach what is outside: nat (a NAT gateway), or privatelink (endpoints of AWS only, so Temporal must be reached inside the VPC)."
  type        = string
  default     = "nat"

  validation {
    condition     = contains(["nat", "privatelink"], var.egress)
    error_message = "egress must be nat or privatelink."
  }
}

# Temporal, which is brought.

variable "temporal" {
  description = "The Temporal service: Temporal Cloud by API key or by certificate (secrets by ARN, their whole value), or your own."
  type = object({
    address             = string
    namespace           = optional(string, "default")
    ui                  = optional(string, "")
    cloud               = optional(bool, false)
    tls                 = optional(bool, false)
    api_key_secret_arn  = optional(string)
    tls_cert_secret_arn = optional(string)
    tls_key_secret_arn  = optional(string)
  })

  validation {
    condition     = can(regex("^[A-Za-z0-9.-]+:[0-9]{2,5}$", var.temporal.address))
    error_message = "temporal.address must be host:port."
  }

  validation {
    condition     = (var.temporal.tls_cert_secret_arn == null) == (var.temporal.tls_key_secret_arn == null)
    error_message = "temporal.tls_cert_secret_arn and temporal.tls_key_secret_arn belong together."
  }

  validation {
    condition     = var.temporal.api_key_secret_arn == null || var.temporal.tls_cert_secret_arn == null
    error_message = "Temporal takes an API key or a certificate, not both."
  }

  validation {
    condition     = !var.temporal.cloud || var.temporal.api_key_secret_arn != null || var.temporal.tls_cert_secret_arn != null
    error_message = "Temporal Cloud needs temporal.api_key_secret_arn, or a certificate and its key."
  }
}

# The stream.

variable "stream" {
  description = "The Kinesis stream: ON_DEMAND, or PROVISIONED with a number of shards."
  type = object({
    mode            = optional(string, "ON_DEMAND")
    shards          = optional(number)
    retention_hours = optional(number, 24)
  })
  default = {}
}

variable "mapping" {
  description = "How Lambda reads the stream. Records are given up to the failure destination after max_retries or max_record_age_seconds, whichever comes first."
  type = object({
    batch_size             = optional(number, 200)
    window_seconds         = optional(number, 0)
    parallelization        = optional(number, 2)
    starting_position      = optional(string, "TRIM_HORIZON")
    max_retries            = optional(number, 100)
    max_record_age_seconds = optional(number, 21600)
  })
  default = {}
}

variable "function" {
  description = "The Lambda function. Reserved concurrency should be shards × parallelization: each environment holds up to two database connections."
  type = object({
    architecture         = optional(string, "arm64")
    memory_mb            = optional(number, 512)
    timeout_seconds      = optional(number, 30)
    reserved_concurrency = optional(number, 8)
  })
  default = {}
}

variable "delivery" {
  description = "How long and how much Firehose collects before it writes an object."
  type = object({
    buffer_seconds = optional(number, 60)
    buffer_mib     = optional(number, 5)
  })
  default = {}
}

variable "stored_margin_minutes" {
  description = "What a training leaves out at the end: events that were stored this long before it at most. It must be longer than the longest delivery delay."
  type        = number
  default     = 60

  validation {
    condition     = var.stored_margin_minutes >= 5 && var.stored_margin_minutes <= 1440
    error_message = "stored_margin_minutes must be 5 to 1440."
  }
}

# Training, database, services.

variable "training" {
  description = "The Glue job."
  type = object({
    workers         = optional(number, 2)
    worker_type     = optional(string, "G.1X")
    timeout_minutes = optional(number, 120)
  })
  default = {}
}

variable "database" {
  description = "The RDS instance that is made, or existing: a Postgres 16 of your own with pgvector and IAM authentication."
  type = object({
    existing = optional(object({
      host              = string
      port              = optional(number, 5432)
      name              = optional(string, "recflow")
      resource_id       = string
      master_secret_arn = string
      security_group_id = string
    }))
    instance_class      = optional(string, "db.t4g.medium")
    storage_gib         = optional(number, 50)
    max_storage_gib     = optional(number, 200)
    multi_az            = optional(bool, true)
    backup_days         = optional(number, 7)
    engine_version      = optional(string, "16.9")
    replicas            = optional(number, 0)
    deletion_protection = optional(bool, true)
  })
  default = {}
}

variable "api" {
  description = "The API: who reaches its load balancer, by which certificate, and its tasks. internal keeps it inside the VPC."
  type = object({
    certificate_arn = string
    ingress_cidrs   = list(string)
    internal        = optional(bool, true)
    cpu             = optional(number, 512)
    memory_mb       = optional(number, 1024)
    min_tasks       = optional(number, 2)
    max_tasks       = optional(number, 4)
  })

  validation {
    condition     = length(var.api.ingress_cidrs) > 0 && alltrue([for c in var.api.ingress_cidrs : can(cidrhost(c, 0)) && !endswith(c, "/0")])
    error_message = "api.ingress_cidrs must be address ranges, and not the whole internet."
  }
}

variable "worker" {
  description = "The worker's tasks."
  type = object({
    cpu       = optional(number, 1024)
    memory_mb = optional(number, 2048)
    min_tasks = optional(number, 1)
    max_tasks = optional(number, 2)
  })
  default = {}
}

# Looking after it.

variable "alarm_emails" {
  description = "Who is told of alarms and of what became of refreshes."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for a in var.alarm_emails : can(regex("^[^@ ]+@[^@ ]+$", a))])
    error_message = "alarm_emails must be e-mail addresses."
  }
}

variable "promotion_days" {
  description = "After how many days without a promoted version there is an alarm."
  type        = number
  default     = 7
}

variable "log_retention_days" {
  description = "How long logs are kept."
  type        = number
  default     = 30
}

variable "protect" {
  description = "Protect the bucket, the database and the load balancer against destroy. Turn it off, apply, and only then destroy."
  type        = bool
  default     = true
}
