variable "name_prefix" {
  description = "Prefix of all names. 3 to 24 lower-case letters, digits and hyphens."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,22}[a-z0-9]$", var.name_prefix))
    error_message = "name_prefix must be 3 to 24 lower-case letters, digits and hyphens, begin with a letter and not end with a hyphen."
  }
}

variable "zip_path" {
  description = "Path of recflow-lambda-ARCHITECTURE.zip, from `make package`."
  type        = string

  validation {
    condition     = endswith(var.zip_path, ".zip") && fileexists(var.zip_path)
    error_message = "zip_path must be a .zip file that exists: run `make package RDS_CA=global-bundle.pem`."
  }
}

variable "architecture" {
  description = "arm64 or x86_64; the zip must be built for it."
  type        = string
  default     = "arm64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "architecture must be arm64 or x86_64 (which `make package` calls amd64)."
  }
}

variable "stream_arn" {
  description = "ARN of the Kinesis stream to read."
  type        = string

  validation {
    condition     = can(regex("^arn:[^:]+:kinesis:[^:]+:[0-9]{12}:stream/[^/*]+$", var.stream_arn))
    error_message = "stream_arn must be the ARN of one Kinesis stream."
  }
}

variable "kms_key_arn" {
  description = "ARN of the key of the stream, the bucket, the settings and the logs."
  type        = string

  validation {
    condition     = can(regex("^arn:[^:]+:kms:[^:]+:[0-9]{12}:key/.+$", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a KMS key (arn:…:kms:…:key/…), not of an alias."
  }
}

variable "delivery" {
  description = "Names and ARNs of the three delivery streams."
  type = object({
    names = object({ events = string, recommendations = string, quarantine = string })
    arns  = object({ events = string, recommendations = string, quarantine = string })
  })

  validation {
    condition = alltrue([
      for key, arn in var.delivery.arns : endswith(arn, ":deliverystream/${var.delivery.names[key]}")
    ])
    error_message = "delivery.arns must be the ARNs of delivery.names, key by key."
  }
}

variable "bucket" {
  description = "The bucket of oversized records and discarded batches."
  type        = object({ name = string, arn = string })

  validation {
    condition     = can(regex("^arn:[^:]+:s3:::[^/*]+$", var.bucket.arn)) && endswith(var.bucket.arn, ":::${var.bucket.name}")
    error_message = "bucket.arn must be the ARN of the bucket called bucket.name."
  }
}

variable "database" {
  description = <<-EOT
    url: postgres://recflow_stream@HOST:5432/recflow?sslmode=verify-full&sslrootcert=/var/task/rds-ca.pem, without a password.
    auth: iam, or password if the server requires none.
    resource_arn: the rds-db ARN of that user, for iam.
  EOT
  type        = object({ url = string, auth = optional(string, "iam"), resource_arn = optional(string) })

  validation {
    condition     = can(regex("^postgres(ql)?://[^:/@]+@[^/]+/", var.database.url))
    error_message = "database.url must be postgres://USER@HOST:PORT/NAME without a password: settings are stored in the state."
  }

  validation {
    condition     = contains(["iam", "password"], var.database.auth)
    error_message = "database.auth must be iam or password."
  }

  validation {
    condition     = var.database.auth != "iam" || strcontains(var.database.url, "sslmode=verify-full")
    error_message = "database.url must have sslmode=verify-full when database.auth is iam: a token must only be sent to a verified server."
  }

  validation {
    condition     = var.database.auth != "iam" || can(regex("^arn:[^:]+:rds-db:[^:]+:[0-9]{12}:dbuser:[^/*]+/[^/*]+$", var.database.resource_arn))
    error_message = "database.resource_arn must be the rds-db ARN of one database user when database.auth is iam."
  }
}

variable "network" {
  description = "Private subnets and the security group of the function."
  type        = object({ subnet_ids = list(string), security_group_id = string })

  validation {
    condition     = length(var.network.subnet_ids) >= 2
    error_message = "network.subnet_ids must name at least two subnets, in different zones."
  }
}

variable "mapping" {
  description = <<-EOT
    How the stream is read. batch_size: records per batch. window_seconds: maximum wait for a full batch. parallelization: concurrent batches per shard.
    starting_position: TRIM_HORIZON or LATEST. max_retries and max_record_age_seconds: batches retried more often, or older, go to the bucket under aws/lambda/.
    The age must be shorter than the stream's retention.
  EOT
  type = object({
    batch_size             = number
    window_seconds         = number
    parallelization        = number
    starting_position      = string
    max_retries            = number
    max_record_age_seconds = number
  })
  default = {
    batch_size             = 500
    window_seconds         = 1
    parallelization        = 2
    starting_position      = "TRIM_HORIZON"
    max_retries            = 10000
    max_record_age_seconds = 79200
  }

  validation {
    condition     = var.mapping.batch_size >= 1 && var.mapping.batch_size <= 10000 && var.mapping.batch_size == floor(var.mapping.batch_size)
    error_message = "mapping.batch_size must be a whole number from 1 to 10000."
  }

  validation {
    condition     = var.mapping.window_seconds >= 0 && var.mapping.window_seconds <= 300 && var.mapping.window_seconds == floor(var.mapping.window_seconds)
    error_message = "mapping.window_seconds must be a whole number from 0 to 300."
  }

  validation {
    condition     = var.mapping.parallelization >= 1 && var.mapping.parallelization <= 10 && var.mapping.parallelization == floor(var.mapping.parallelization)
    error_message = "mapping.parallelization must be a whole number from 1 to 10."
  }

  validation {
    condition     = contains(["TRIM_HORIZON", "LATEST"], var.mapping.starting_position)
    error_message = "mapping.starting_position must be TRIM_HORIZON or LATEST."
  }

  validation {
    condition     = var.mapping.max_retries >= 0 && var.mapping.max_retries <= 10000 && var.mapping.max_retries == floor(var.mapping.max_retries)
    error_message = "mapping.max_retries must be a whole number from 0 to 10000; AWS's -1 would block a shard until a poison record expires."
  }

  validation {
    condition     = var.mapping.max_record_age_seconds >= 60 && var.mapping.max_record_age_seconds <= 604800 && var.mapping.max_record_age_seconds == floor(var.mapping.max_record_age_seconds)
    error_message = "mapping.max_record_age_seconds must be a whole number from 60 to 604800; with AWS's -1 expired records would be lost."
  }
}

variable "reserved_concurrency" {
  description = "Maximum number of concurrent environments: shards × mapping.parallelization. Each has two connections to the database. -1 reserves none, for an account whose limit is low: then only the shards limit the environments."
  type        = number
  default     = 10

  validation {
    condition     = var.reserved_concurrency == -1 || var.reserved_concurrency >= 1 && var.reserved_concurrency <= 1000 && var.reserved_concurrency == floor(var.reserved_concurrency)
    error_message = "reserved_concurrency must be a whole number from 1 to 1000, or -1 for no reservation; 0 would stop the stream."
  }
}

variable "memory_mb" {
  description = "Memory of an environment, which also determines its CPU share."
  type        = number
  default     = 512

  validation {
    condition     = var.memory_mb >= 128 && var.memory_mb <= 10240 && var.memory_mb == floor(var.memory_mb)
    error_message = "memory_mb must be a whole number from 128 to 10240."
  }
}

variable "search" {
  description = "Where the function searches: auto, memory or pgvector."
  type        = string
  default     = "auto"
}

variable "timeout_seconds" {
  description = "Timeout of a batch, in seconds."
  type        = number
  default     = 30

  validation {
    condition     = var.timeout_seconds >= 10 && var.timeout_seconds <= 900 && var.timeout_seconds == floor(var.timeout_seconds)
    error_message = "timeout_seconds must be a whole number from 10 to 900: with less there is no time to retry deliveries."
  }
}

variable "log_retention_days" {
  description = "Retention of the function's log, in days."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be a retention period of CloudWatch Logs, such as 7, 14, 30, 90 or 365."
  }
}

variable "environment" {
  description = "Additional settings of the function, such as RECFLOW_LIST_LENGTH, RECFLOW_EVALUATE_SHARE and RECFLOW_LOG_LEVEL. Never a secret."
  type        = map(string)
  default     = {}

  validation {
    condition = length(setintersection(keys(var.environment), [
      "RECFLOW_BUCKET", "RECFLOW_DATABASE_AUTH", "RECFLOW_DATABASE_MAX_CONNS", "RECFLOW_DATABASE_URL",
      "RECFLOW_FIREHOSE_EVENTS", "RECFLOW_FIREHOSE_QUARANTINE", "RECFLOW_FIREHOSE_RECOMMENDATIONS", "RECFLOW_SEARCH",
    ])) == 0
    error_message = "environment must not repeat what other variables of this module set."
  }

  validation {
    condition     = alltrue([for name in keys(var.environment) : !can(regex("(?i)(password|secret|token|api_key|private)", name))])
    error_message = "environment must not contain a secret: it is stored in the state and shown in the console."
  }
}
