variable "name_prefix" {
  description = "Prefix of all names. 3 to 24 lower-case letters, digits and single hyphens."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,22}[a-z0-9]$", var.name_prefix)) && !strcontains(var.name_prefix, "--")
    error_message = "name_prefix must be 3 to 24 lower-case letters, digits and single hyphens, begin with a letter and not end with a hyphen."
  }
}

variable "existing" {
  description = "An existing Postgres, or null to create one. resource_id is RDS's DbiResourceId (Aurora: DbClusterResourceId), null without IAM authentication. master_secret_arn is a secret with the keys username and password of a user that may create roles; the migrations use it."
  type = object({
    host              = string
    port              = optional(number, 5432)
    name              = optional(string, "recflow")
    resource_id       = optional(string)
    instance_id       = optional(string)
    master_secret_arn = string
  })
  default = null

  validation {
    condition     = var.existing == null ? true : can(regex("^[A-Za-z0-9.-]+$", var.existing.host))
    error_message = "existing.host must be a host name without a scheme or a port."
  }

  validation {
    condition     = var.existing == null ? true : var.existing.port >= 1 && var.existing.port <= 65535
    error_message = "existing.port must be 1 to 65535."
  }

  validation {
    condition     = var.existing == null ? true : can(regex("^arn:[^:]+:secretsmanager:[^:]+:[0-9]{12}:secret:", var.existing.master_secret_arn))
    error_message = "existing.master_secret_arn must be the ARN of a secret in Secrets Manager, never the password itself."
  }

  validation {
    condition     = try(var.existing.resource_id, null) == null ? true : can(regex("^(db|cluster)-[A-Z0-9]+$", var.existing.resource_id))
    error_message = "existing.resource_id must be a resource ID such as db-ABCDEFGHIJKL01234, not the instance's name."
  }
}

variable "instance_class" {
  description = "Instance class. An HNSW index should fit in memory; see the scaling guide."
  type        = string
  default     = "db.t4g.medium"

  validation {
    condition     = can(regex("^db\\.[a-z0-9]+\\.[a-z0-9]+$", var.instance_class))
    error_message = "instance_class must be an RDS instance class such as db.r7g.large."
  }
}

variable "storage_gib" {
  description = "Initial storage, in GiB (gp3)."
  type        = number
  default     = 50

  validation {
    condition     = var.storage_gib >= 20 && var.storage_gib <= 65536
    error_message = "storage_gib must be 20 to 65536."
  }
}

variable "max_storage_gib" {
  description = "Maximum size of storage autoscaling, in GiB."
  type        = number
  default     = 500

  validation {
    condition     = var.max_storage_gib <= 65536
    error_message = "max_storage_gib must be 65536 at most."
  }

  validation {
    condition     = var.max_storage_gib >= var.storage_gib * 1.1
    error_message = "max_storage_gib must be at least 10 % above storage_gib, or RDS does not increase the storage."
  }
}

variable "multi_az" {
  description = "A standby in another zone. It doubles the price, and limits an outage of a zone to one or two minutes."
  type        = bool
  default     = false
}

variable "backup_days" {
  description = "Retention of automatic backups, in days."
  type        = number
  default     = 7

  validation {
    condition     = var.backup_days >= 1 && var.backup_days <= 35
    error_message = "backup_days must be 1 to 35: recflow does not run without backups."
  }
}

variable "apply_immediately" {
  description = "Apply changes of the instance at once, some with a short outage, and not in the maintenance window (Tuesday 03:00 UTC)."
  type        = bool
  default     = false
}

variable "deletion_protection" {
  description = "Protect the instance against deletion. Set it to false, and apply, before a destroy."
  type        = bool
  default     = true
}

variable "skip_final_snapshot" {
  description = "Delete the instance without a final snapshot, for temporary installations."
  type        = bool
  default     = false
}

variable "engine_version" {
  description = "Version of Postgres 16 of a new instance: 16 for the newest minor version, which has the newest pgvector, or one such as 16.14. Later, RDS upgrades the minor version in the maintenance window. recflow requires pgvector 0.8.2 or newer."
  type        = string
  default     = "16"

  validation {
    condition     = can(regex("^16(\\.[0-9]+)?$", var.engine_version))
    error_message = "engine_version must be 16 or a minor version of it."
  }
}

variable "index_build_workers" {
  description = "Parallel workers of an index build; at most the vCPUs of the instance."
  type        = number
  default     = 2

  validation {
    condition     = var.index_build_workers >= 0 && var.index_build_workers <= 64 && floor(var.index_build_workers) == var.index_build_workers
    error_message = "index_build_workers must be a whole number from 0 to 64."
  }
}

variable "subnet_ids" {
  description = "Private subnets in at least two zones."
  type        = list(string)
  default     = []

  validation {
    condition     = var.existing != null || length(var.subnet_ids) >= 2
    error_message = "subnet_ids must name at least two private subnets."
  }
}

variable "security_group_id" {
  description = "Security group of the database, created by the network module."
  type        = string
  default     = null

  validation {
    condition     = var.existing != null || var.security_group_id != null
    error_message = "security_group_id is required for a new database."
  }
}

variable "kms_key_arn" {
  description = "Key of the storage, the backups, the logs, Performance Insights and the master secret."
  type        = string
  default     = null

  validation {
    condition     = var.existing != null || var.kms_key_arn != null
    error_message = "kms_key_arn is required for a new database: all storage is encrypted."
  }

  validation {
    condition     = var.kms_key_arn == null ? true : can(regex("^arn:[^:]+:kms:[^:]+:[0-9]{12}:key/.+$", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a KMS key (arn:…:kms:…:key/…), not of an alias."
  }
}

variable "log_retention_days" {
  description = "Retention of the Postgres log, in days."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be a retention period of CloudWatch Logs, such as 7, 14, 30, 90 or 365."
  }
}
