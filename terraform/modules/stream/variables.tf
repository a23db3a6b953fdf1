variable "name_prefix" {
  description = "Prefix of all names. 3 to 24 lower-case letters, digits and hyphens."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,22}[a-z0-9]$", var.name_prefix))
    error_message = "name_prefix must be 3 to 24 lower-case letters, digits and hyphens, begin with a letter and not end with a hyphen."
  }
}

variable "mode" {
  description = "ON_DEMAND, or PROVISIONED with a number of shards."
  type        = string
  default     = "ON_DEMAND"

  validation {
    condition     = contains(["ON_DEMAND", "PROVISIONED"], var.mode)
    error_message = "mode must be ON_DEMAND or PROVISIONED."
  }
}

variable "shards" {
  description = "Number of shards when mode is PROVISIONED. A shard accepts 1 MiB or 1,000 records per second."
  type        = number
  default     = null

  validation {
    condition     = var.shards == null ? true : var.shards >= 1 && var.shards <= 500 && var.shards == floor(var.shards)
    error_message = "shards must be a whole number from 1 to 500."
  }
}

variable "retention_hours" {
  description = "Retention of records, in hours. The worker's RECFLOW_EVENT_RETENTION (25h) must be longer."
  type        = number
  default     = 24

  validation {
    condition     = var.retention_hours >= 24 && var.retention_hours <= 8760 && var.retention_hours == floor(var.retention_hours)
    error_message = "retention_hours must be a whole number from 24 to 8760."
  }
}

variable "shard_metrics" {
  description = "Publish seven metrics of each shard, which CloudWatch charges for. They show a hot shard."
  type        = bool
  default     = false
}

variable "kms_key_arn" {
  description = "ARN of the key that encrypts the records."
  type        = string

  validation {
    condition     = can(regex("^arn:[^:]+:kms:[^:]+:[0-9]{12}:key/.+$", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a KMS key (arn:…:kms:…:key/…), not of an alias."
  }
}
