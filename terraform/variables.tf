variable "name_prefix" {
  description = "Prefix of all resource names."
  type        = string
  default     = "recflow"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,20}[a-z0-9]$", var.name_prefix))
    error_message = "name_prefix must be 3 to 22 lower-case letters, digits and hyphens, begin with a letter and not end with a hyphen."
  }
}

# Artifacts of `make package` and `make images`.

variable "packages" {
  description = "Directory of the packages: dist/ of `make package`."
  type        = string
}

variable "image_tag" {
  description = "Tag of the images in the repositories created here. Tags are immutable: each release needs a new one. Null: set images."
  type        = string
  default     = null
}

variable "images" {
  description = "Image references of your own, with a tag or a digest. Null: the images in the repositories created here."
  type        = object({ worker = string, api = string, admin = string })
  default     = null
}

variable "running" {
  description = "Whether the worker and the API run. Set false for the first apply; push the images, run the migrations, then set true."
  type        = bool
  default     = true
}

variable "architecture" {
  description = "Architecture of the function and the services: arm64 or x86_64."
  type        = string
  default     = "arm64"
}

# The network.

variable "vpc" {
  description = "An existing VPC, or null to create one. To create endpoints in it, set the route tables of the private subnets."
  type = object({
    vpc_id                  = string
    cidr_block              = string
    private_subnet_ids      = list(string)
    public_subnet_ids       = optional(list(string), [])
    private_route_table_ids = optional(list(string), [])
  })
  default = null
}

variable "network" {
  description = <<-EOT
    cidr and zones of the new VPC. egress: nat (through NAT gateways; required for Temporal Cloud) or privatelink (none; AWS is reached through endpoints).
    endpoints: create endpoints for the AWS services in use. temporal_cidrs: address ranges of your own Temporal.
  EOT
  type = object({
    cidr           = optional(string, "10.64.0.0/20")
    zones          = optional(number, 2)
    egress         = optional(string, "nat")
    nat_per_zone   = optional(bool, false)
    endpoints      = optional(bool, true)
    temporal_cidrs = optional(list(string), [])
  })
  default = {}
}

# Temporal, which must exist.

variable "temporal" {
  description = "The Temporal service: Temporal Cloud by API key or by certificate, or your own. Secrets are ARNs in Secrets Manager, never the secrets themselves."
  type = object({
    address             = string
    namespace           = optional(string, "default")
    task_queue          = optional(string, "recflow")
    ui                  = optional(string, "")
    tls                 = optional(bool, false)
    api_key_secret_arn  = optional(string)
    tls_cert_secret_arn = optional(string)
    tls_key_secret_arn  = optional(string)
    tls_ca_secret_arn   = optional(string)
  })
}

variable "secrets_kms_key_arns" {
  description = "Your own keys that encrypt the given secrets."
  type        = list(string)
  default     = []
}

# The stream.

variable "stream" {
  description = "The Kinesis stream: ON_DEMAND, or PROVISIONED with a number of shards."
  type = object({
    mode            = optional(string, "ON_DEMAND")
    shards          = optional(number)
    retention_hours = optional(number, 24)
    shard_metrics   = optional(bool, false)
  })
  default = {}
}

variable "mapping" {
  description = "How Lambda reads the stream. Batches retried more than max_retries times, or older than max_record_age_seconds, go to the bucket under aws/lambda/."
  type = object({
    batch_size             = optional(number, 500)
    window_seconds         = optional(number, 1)
    parallelization        = optional(number, 2)
    starting_position      = optional(string, "TRIM_HORIZON")
    max_retries            = optional(number, 10000)
    max_record_age_seconds = optional(number, 79200)
  })
  default = {}
}

variable "search" {
  description = <<-EOT
    Where the function and the API search: auto (in memory, and in Postgres while a version loads or if it does not fit), memory (never in Postgres), or
    pgvector. items and rank are the largest catalog that you expect: the function and the API then get memory for two versions of it.
  EOT
  type = object({
    mode  = optional(string, "auto")
    items = optional(number)
    rank  = optional(number, 64)
  })
  default = {}

  validation {
    condition     = contains(["auto", "memory", "pgvector"], var.search.mode)
    error_message = "search.mode must be auto, memory or pgvector."
  }

  validation {
    condition     = var.search.items == null || try(var.search.items > 0 && var.search.rank >= 1 && var.search.rank <= 512, false)
    error_message = "search.items must be positive, and search.rank 1 to 512."
  }
}

variable "function" {
  description = <<-EOT
    The Lambda function. reserved_concurrency should be shards × parallelization: each environment has two connections to the database; -1 reserves
    none, for an account whose limit is low. memory_mb null: 512, or
    what search.items needs.
  EOT
  type = object({
    memory_mb            = optional(number)
    timeout_seconds      = optional(number, 30)
    reserved_concurrency = optional(number, 8)
    environment          = optional(map(string), {})
  })
  default = {}
}

variable "delivery" {
  description = "Firehose's buffering time and size before it writes an object."
  type = object({
    buffer_seconds = optional(number, 60)
    buffer_mib     = optional(number, 64)
  })
  default = {}
}

variable "stored_margin_seconds" {
  description = "Maximum delay of a delivery to S3. A training excludes events stored later than that before its start."
  type        = number
  default     = 3600
}

# Training, database, services.

variable "training" {
  description = "The Glue job."
  type = object({
    workers             = optional(number, 2)
    worker_type         = optional(string, "G.1X")
    timeout_minutes     = optional(number, 120)
    max_concurrent_runs = optional(number, 8)
  })
  default = {}
}

variable "catalog" {
  description = "Tables for Athena, and the date of the first object."
  type = object({
    create    = optional(bool, true)
    first_day = optional(string, "2025-01-01")
  })
  default = {}
}

variable "database" {
  description = "The RDS instance to create; or existing, your own Postgres 16 with pgvector, which must accept the security groups of the components."
  type = object({
    existing = optional(object({
      host              = string
      port              = optional(number, 5432)
      name              = optional(string, "recflow")
      resource_id       = string
      instance_id       = optional(string)
      master_secret_arn = string
    }))
    instance_class      = optional(string, "db.t4g.medium")
    storage_gib         = optional(number, 50)
    max_storage_gib     = optional(number, 500)
    multi_az            = optional(bool, false)
    backup_days         = optional(number, 7)
    engine_version      = optional(string, "16")
    index_build_workers = optional(number, 2)
    apply_immediately   = optional(bool, false)
  })
  default = {}
}

variable "worker" {
  description = "Size and number of worker tasks; min equal to max: a fixed number."
  type = object({
    cpu           = optional(number, 1024)
    memory        = optional(number, 4096)
    scratch_gib   = optional(number, 30)
    min           = optional(number, 1)
    max           = optional(number, 4)
    drain_seconds = optional(number, 90)
    environment   = optional(map(string), {})
  })
  default = {}
}

variable "api" {
  description = <<-EOT
    The API: its certificate, who may reach its load balancer (internal: inside the VPC only), and its tasks; min equal to max: a fixed number. cpu and memory
    null: 512 and 1024, or what search.items needs.
  EOT
  type = object({
    certificate_arn   = string
    domain            = optional(string)
    ingress_cidrs     = list(string)
    internal          = optional(bool, true)
    cpu               = optional(number)
    memory            = optional(number)
    min               = optional(number, 2)
    max               = optional(number, 8)
    requests_per_task = optional(number, 6000)
    environment       = optional(map(string), {})
  })
}

# Monitoring.

variable "alarm_emails" {
  description = "Email addresses that receive alarms and refresh outcomes. Each address must confirm its subscription."
  type        = list(string)
  default     = []
}

variable "thresholds" {
  description = "Alarm thresholds, by the names of modules/observability."
  type        = map(number)
  default     = {}

  validation {
    condition = alltrue([for name in keys(var.thresholds) : contains([
      "iterator_age_seconds", "lambda_error_share", "lambda_duration_share", "firehose_margin_share", "database_storage_gib",
      "database_connections", "database_cpu_share", "api_error_share", "api_latency_seconds", "api_least_requests",
      "promotion_days", "popular_share", "popular_least_of_lists",
    ], name)])
    error_message = "thresholds has a name that modules/observability does not have."
  }
}

variable "keep" {
  description = "Retention in days of replaced objects, unprocessable data, results of trainings, batch lists, delivered lists and logs."
  type = object({
    noncurrent_days      = optional(number, 30)
    quarantine_days      = optional(number, 90)
    embeddings_days      = optional(number, 90)
    lists_days           = optional(number, 30)
    recommendations_days = optional(number, 365)
    log_days             = optional(number, 30)
  })
  default = {}
}

variable "protect" {
  description = "Protect the bucket's data, the database and the load balancer against terraform destroy. Set it to false, and apply, before you destroy."
  type        = bool
  default     = true
}
